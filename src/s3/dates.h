#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace predastore::s3 {

// Milliseconds since 1970 as XML has them: 2026-01-31T12:00:00.000Z.
std::string iso8601(std::int64_t since_1970_ms);

// As headers have them, whole seconds: Sat, 31 Jan 2026 12:00:00 GMT.
std::string http_date(std::int64_t since_1970_ms);

// The three forms of RFC 9110 (IMF-fixdate, RFC 850, asctime) and ISO 8601 in UTC; seconds since
// 1970. None for what is no date: the header is then ignored.
std::optional<std::int64_t> parse_http_date(std::string_view text);

}  // namespace predastore::s3
