#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace predastore::s3 {

// The first character by RFC 3629 (no overlong forms, no surrogates, at most U+10FFFF). Size 0:
// the bytes do not begin with one.
struct Utf8Char {
  std::uint32_t code = 0;
  std::size_t size = 0;
};
Utf8Char first_utf8_char(std::string_view bytes);

bool is_utf8(std::string_view bytes);

void append_utf8(std::string& out, std::uint32_t code);  // a scalar value

}  // namespace predastore::s3
