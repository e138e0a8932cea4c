#include "cli/bench/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace predastore::cli::bench {

namespace {

constexpr std::array<std::pair<const char*, Mode>, 9> kModes{{
    {"get", Mode::get},
    {"put", Mode::put},
    {"mixed", Mode::mixed},
    {"list", Mode::list},
    {"stat", Mode::stat},
    {"delete", Mode::remove},
    {"multipart", Mode::multipart},
    {"ranged", Mode::ranged},
    {"hot-key", Mode::hot_key},
}};

// A number and the unit behind it; nothing when it does not begin with a number.
bool split_number(const std::string& text, double& number, std::string& unit) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  unit.assign(rest, end);
  return error == std::errc{} && std::isfinite(number) && number >= 0;
}

}  // namespace

Result<Mode> parse_mode(const std::string& text) {
  std::string known;
  for (const auto& [name, mode] : kModes) {
    if (text == name) return mode;
    known += known.empty() ? name : std::string(", ") + name;
  }
  return make_error(ErrorCode::InvalidArgument, "unknown mode \"" + text + "\": one of " + known);
}

std::string name_of(Mode mode) {
  for (const auto& [name, known] : kModes)
    if (mode == known) return name;
  return "";
}

Result<std::uint64_t> parse_size(const std::string& text) {
  constexpr std::array<std::pair<const char*, double>, 9> kUnits{{
      {"", 1},
      {"B", 1},
      {"KiB", 1024.0},
      {"MiB", 1024.0 * 1024},
      {"GiB", 1024.0 * 1024 * 1024},
      {"KB", 1e3},
      {"MB", 1e6},
      {"GB", 1e9},
      {"k", 1024.0},
  }};
  constexpr double kSizeMax = 5e12;  // AWS's largest object
  double number = 0;
  std::string unit;
  if (split_number(text, number, unit)) {
    for (const auto& [name, factor] : kUnits) {
      const double bytes = number * factor;
      if (unit == name && bytes <= kSizeMax && bytes == std::floor(bytes))
        return static_cast<std::uint64_t>(bytes);
    }
  }
  return make_error(ErrorCode::InvalidArgument,
                    "\"" + text + "\" is no size: write it like 64KiB, 10MiB or 4096");
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits{"B", "KiB", "MiB", "GiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && bytes % 1024 == 0 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{}{}", bytes, kUnits[unit]);
}

Result<Duration> parse_duration(const std::string& text) {
  constexpr std::array<std::pair<const char*, double>, 5> kUnits{
      {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"m", 60e9}, {"h", 3600e9}}};
  constexpr double kNanosecondsMax = 7 * 24 * 3600e9;
  double number = 0;
  std::string unit;
  if (split_number(text, number, unit)) {
    for (const auto& [name, factor] : kUnits) {
      if (unit == name && number * factor <= kNanosecondsMax)
        return Duration(static_cast<std::int64_t>(number * factor));
    }
  }
  return make_error(ErrorCode::InvalidArgument,
                    "\"" + text + "\" is no duration: write it like 30s, 500ms or 2m");
}

Result<SizeMix> SizeMix::parse(const std::string& text) {
  SizeMix mix;
  mix.text_ = text;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string entry = text.substr(begin, end - begin);
    begin = end + 1;
    Entry parsed;
    if (const auto colon = entry.find(':'); colon != std::string::npos) {
      const std::string weight = entry.substr(colon + 1);
      const auto [rest, error] =
          std::from_chars(weight.data(), weight.data() + weight.size(), parsed.weight);
      if (error != std::errc{} || rest != weight.data() + weight.size() || parsed.weight == 0 ||
          parsed.weight > 1'000'000)
        return make_error(ErrorCode::InvalidArgument,
                          "\"" + weight + "\" is no weight of a size: a number from 1 on");
      entry.resize(colon);
    }
    PREDA_TRY(parsed.size_bytes, parse_size(entry));
    mix.weight_sum_ += parsed.weight;
    mix.entries_.push_back(parsed);
  }
  return mix;
}

std::uint64_t SizeMix::draw(std::uint64_t number) const {
  if (entries_.size() == 1) return entries_.front().size_bytes;
  // A multiplicative hash (Knuth), so that sizes follow each other without a pattern.
  std::uint64_t at = ((number + 1) * 0x9e3779b97f4a7c15u >> 32) % weight_sum_;
  for (const Entry& entry : entries_) {
    if (at < entry.weight) return entry.size_bytes;
    at -= entry.weight;
  }
  return entries_.back().size_bytes;
}

std::uint64_t SizeMix::max() const {
  std::uint64_t largest = 0;
  for (const Entry& entry : entries_) largest = std::max(largest, entry.size_bytes);
  return largest;
}

}  // namespace predastore::cli::bench
