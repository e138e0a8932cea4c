#include "s3/utf8.h"

namespace predastore::s3 {
namespace {

// The bytes of the sequence that begins with `first`, the bits of the code in it, and the bounds of
// its second byte.
struct Lead {
  std::size_t size = 0;  // 0: no sequence begins so
  std::uint32_t bits = 0;
  unsigned char second_min = 0x80;
  unsigned char second_max = 0xbf;
};
Lead lead_of(unsigned char first) {
  if (first < 0x80) return {1, first};
  if (first < 0xc2) return {};
  if (first < 0xe0) return {2, first & 0x1fU};
  if (first == 0xe0) return {3, 0, 0xa0, 0xbf};
  if (first == 0xed) return {3, 0xd, 0x80, 0x9f};
  if (first < 0xf0) return {3, first & 0xfU};
  if (first == 0xf0) return {4, 0, 0x90, 0xbf};
  if (first < 0xf4) return {4, first & 7U};
  if (first == 0xf4) return {4, 4, 0x80, 0x8f};
  return {};
}

}  // namespace

Utf8Char first_utf8_char(std::string_view bytes) {
  if (bytes.empty()) return {};
  const Lead lead = lead_of(static_cast<unsigned char>(bytes.front()));
  if (lead.size == 0 || bytes.size() < lead.size) return {};
  std::uint32_t code = lead.bits;
  for (std::size_t i = 1; i < lead.size; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    const unsigned char low = i == 1 ? lead.second_min : 0x80;
    const unsigned char high = i == 1 ? lead.second_max : 0xbf;
    if (byte < low || byte > high) return {};
    code = code << 6 | (byte & 0x3fU);
  }
  return {code, lead.size};
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Utf8Char next = first_utf8_char(bytes);
    if (next.size == 0) return false;
    bytes.remove_prefix(next.size);
  }
  return true;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

}  // namespace predastore::s3
