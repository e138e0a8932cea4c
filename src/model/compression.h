#pragma once

#include <optional>
#include <string_view>

#include "model/layout.h"

namespace predastore {

inline bool is_known_compression(std::uint32_t number) {
  return number <= static_cast<std::uint32_t>(Compression::zstd);
}
std::string_view name_of(Compression compression);  // "default", "none", "lz4", "snappy", "zstd"
std::optional<Compression> parse_compression(std::string_view name);

}  // namespace predastore
