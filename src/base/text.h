#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/buffer.h"

namespace predastore {

std::string to_hex(ByteSpan bytes);                          // lower case
std::optional<std::string> from_hex(std::string_view text);  // either case; raw bytes
std::string to_base64(ByteSpan bytes);                       // RFC 4648 with padding
std::optional<std::string> from_base64(
    std::string_view text);  // strict: padding required, nothing else accepted

}  // namespace predastore
