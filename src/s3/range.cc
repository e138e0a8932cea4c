#include "s3/range.h"

#include <algorithm>
#include <limits>
#include <string>

#include "http/message.h"

namespace predastore::s3 {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// A position in a range: more than 64 bits is as good as the largest of them.
std::uint64_t saturated(std::string_view digits) {
  return parse_decimal(digits).value_or(std::numeric_limits<std::uint64_t>::max());
}

S3Error unsatisfiable(std::string_view header, std::uint64_t size_bytes) {
  return S3Error{S3Code::InvalidRange}
      .with("RangeRequested", std::string(header))
      .with("ActualObjectSize", std::to_string(size_bytes));
}

}  // namespace

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  if (!is_all_digits(text)) return std::nullopt;
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t value = 0;
  for (const char c : text) {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (kMax - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

S3Result<std::optional<object::ByteRange>> parse_range(std::string_view header,
                                                       std::uint64_t size_bytes) {
  const std::optional<object::ByteRange> whole;
  const std::string_view text = trimmed(header);
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return whole;
  if (!http::equal_ignoring_case(trimmed(text.substr(0, equals)), "bytes")) return whole;
  const std::string_view spec = trimmed(text.substr(equals + 1));
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return whole;
  const std::string_view first = trimmed(spec.substr(0, dash));
  const std::string_view last = trimmed(spec.substr(dash + 1));
  if ((!first.empty() && !is_all_digits(first)) || (!last.empty() && !is_all_digits(last)))
    return whole;
  if (first.empty() && last.empty()) return whole;

  if (first.empty()) {
    const std::uint64_t suffix = std::min(saturated(last), size_bytes);
    if (suffix == 0) return unsatisfiable(header, size_bytes);
    return std::optional{object::ByteRange{size_bytes - suffix, size_bytes - 1}};
  }
  const std::uint64_t from = saturated(first);
  if (!last.empty() && saturated(last) < from) return whole;
  if (from >= size_bytes) return unsatisfiable(header, size_bytes);
  const std::uint64_t to = last.empty() ? size_bytes - 1 : saturated(last);
  return std::optional{object::ByteRange{from, std::min(to, size_bytes - 1)}};
}

S3Result<object::ByteRange> parse_copy_range(std::string_view header, std::uint64_t size_bytes) {
  const auto malformed = [&] {
    return invalid_argument(
        "The x-amz-copy-source-range value must be of the form bytes=first-last where first and "
        "last are the zero-based offsets of the first and last bytes to copy",
        "x-amz-copy-source-range", header);
  };
  if (!header.starts_with("bytes=")) return malformed();
  const std::string_view spec = header.substr(6);
  const std::size_t dash = std::min(spec.find('-'), spec.size());
  const std::optional<std::uint64_t> first = parse_decimal(spec.substr(0, dash));
  const std::optional<std::uint64_t> last =
      parse_decimal(spec.substr(std::min(dash + 1, spec.size())));
  if (!first || !last || *last < *first) return malformed();
  if (*last >= size_bytes) {
    return invalid_argument(
        "Range specified is not valid for source object of size: " + std::to_string(size_bytes),
        "x-amz-copy-source-range", header);
  }
  return object::ByteRange{*first, *last};
}

S3Result<PartNumber> parse_part_number(std::string_view text) {
  constexpr std::uint64_t kMax = 10'000;
  const std::optional<std::uint64_t> number = parse_decimal(text);
  if (number && *number >= 1 && *number <= kMax)
    return PartNumber{static_cast<std::uint16_t>(*number)};
  return invalid_argument("Part number must be an integer between 1 and 10000, inclusive",
                          "partNumber", text);
}

}  // namespace predastore::s3
