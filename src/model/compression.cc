#include "model/compression.h"

#include <array>

namespace predastore {
namespace {

constexpr std::array<std::string_view, 5> kNames{"default", "none", "lz4", "snappy", "zstd"};

}  // namespace

std::string_view name_of(Compression compression) {
  return kNames.at(static_cast<std::size_t>(compression));
}

std::optional<Compression> parse_compression(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Compression>(i);
  }
  return std::nullopt;
}

}  // namespace predastore
