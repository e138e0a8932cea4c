#include "s3/names.h"

#include <algorithm>
#include <array>

#include "model/limits.h"
#include "s3/utf8.h"

namespace predastore::s3 {
namespace {

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// Four groups of digits with dots between them, whatever their values: "a name must not be
// formatted as an IP address".
bool looks_like_ipv4(std::string_view name) {
  int dots = 0;
  bool has_digit = false;
  for (const char c : name) {
    if (c == '.') {
      if (!has_digit) return false;
      ++dots;
      has_digit = false;
    } else if (c >= '0' && c <= '9') {
      has_digit = true;
    } else {
      return false;
    }
  }
  return dots == 3 && has_digit;
}

constexpr auto kReservedPrefixes =
    std::to_array<std::string_view>({"xn--", "sthree-", "amzn-s3-demo-"});
constexpr auto kReservedSuffixes =
    std::to_array<std::string_view>({"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"});

}  // namespace

bool is_bucket_name(std::string_view name) {
  if (name.size() < 3 || name.size() > 63) return false;
  if (!is_lower_or_digit(name.front()) || !is_lower_or_digit(name.back())) return false;
  const auto allowed = [](char c) { return is_lower_or_digit(c) || c == '.' || c == '-'; };
  if (!std::ranges::all_of(name, allowed)) return false;
  if (name.find("..") != std::string_view::npos || looks_like_ipv4(name)) return false;
  const auto begins = [&](std::string_view prefix) { return name.starts_with(prefix); };
  const auto ends = [&](std::string_view suffix) { return name.ends_with(suffix); };
  return std::ranges::none_of(kReservedPrefixes, begins) &&
         std::ranges::none_of(kReservedSuffixes, ends);
}

S3Result<void> check_bucket_name(std::string_view name) {
  if (is_bucket_name(name)) return {};
  return S3Error{S3Code::InvalidBucketName}.with("BucketName", std::string(name));
}

S3Result<void> check_key(std::string_view key) {
  if (key.size() > kKeyMaxBytes) {
    return S3Error{S3Code::KeyTooLongError}
        .with("Size", std::to_string(key.size()))
        .with("MaxSizeAllowed", std::to_string(kKeyMaxBytes));
  }
  if (key.empty() || !is_utf8(key)) return S3Code::InvalidURI;
  return {};
}

}  // namespace predastore::s3
