#include "s3/query.h"

#include <algorithm>
#include <cstdint>

namespace predastore::s3 {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decode(std::string_view raw, bool plus_is_space) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '+' && plus_is_space) {
      out.push_back(' ');
    } else if (raw[i] == '%') {
      if (raw.size() - i < 3) return std::nullopt;
      const int high = hex_digit(raw[i + 1]);
      const int low = hex_digit(raw[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out.push_back(static_cast<char>(high << 4 | low));
      i += 2;
    } else {
      out.push_back(raw[i]);
    }
  }
  return out;
}

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

}  // namespace

std::optional<std::string> decode_path(std::string_view raw) { return decode(raw, false); }
std::optional<std::string> decode_query(std::string_view raw) { return decode(raw, true); }

std::string encode_uri(std::string_view bytes, bool keep_slash) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    if (is_unreserved(c) || (c == '/' && keep_slash)) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

S3Result<Query> Query::parse(std::string_view raw) {
  Query query;
  while (!raw.empty()) {
    const std::size_t end = std::min(raw.find('&'), raw.size());
    const std::string_view pair = raw.substr(0, end);
    raw.remove_prefix(std::min(end + 1, raw.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::optional<std::string> name = decode_query(pair.substr(0, equals));
    std::optional<std::string> value = decode_query(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value) return S3Code::InvalidURI;
    query.parameters_.push_back({std::move(*name), std::move(*value)});
  }
  std::vector<std::string_view> names;
  for (const Parameter& parameter : query.parameters_) names.push_back(parameter.name);
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end())
    return invalid_argument("A query parameter occurs more than once.", *twice, "");
  return query;
}

const std::string* Query::find(std::string_view name) const {
  const auto at = std::ranges::find(parameters_, name, &Parameter::name);
  return at == parameters_.end() ? nullptr : &at->value;
}

std::string Query::get(std::string_view name) const {
  const std::string* value = find(name);
  return value == nullptr ? std::string{} : *value;
}

}  // namespace predastore::s3
