#include "s3/conditions.h"

#include <algorithm>
#include <optional>
#include <string>

#include "s3/dates.h"

namespace predastore::s3 {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

S3Error failed(std::string_view condition) {
  return S3Error{S3Code::PreconditionFailed}.with("Condition", std::string(condition));
}

// HTTP dates have whole seconds; an object is newer only by a whole one.
bool is_modified_since(std::int64_t last_modified_ms, std::int64_t since_s) {
  return last_modified_ms / 1000 > since_s;
}

S3Error refused_on_write(std::string_view header) {
  return S3Error{S3Code::NotImplemented}.with("Header", std::string(header));
}

}  // namespace

std::string_view unquoted_etag(std::string_view etag) {
  etag = trimmed(etag);
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"')
    etag = etag.substr(1, etag.size() - 2);
  return etag;
}

bool matches_etag(std::string_view list, std::string_view etag) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    const std::string_view one = unquoted_etag(list.substr(0, end));
    if (one == "*" || (!one.empty() && one == etag)) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

ReadConditions ReadConditions::of(const http::Headers& headers) {
  return {headers.get("if-match"), headers.get("if-none-match"), headers.get("if-modified-since"),
          headers.get("if-unmodified-since")};
}

ReadConditions ReadConditions::of_copy_source(const http::Headers& headers) {
  return {headers.get("x-amz-copy-source-if-match"), headers.get("x-amz-copy-source-if-none-match"),
          headers.get("x-amz-copy-source-if-modified-since"),
          headers.get("x-amz-copy-source-if-unmodified-since")};
}

S3Result<void> ReadConditions::check(std::string_view etag, std::int64_t last_modified_ms) const {
  if (!if_match.empty()) {
    if (!matches_etag(if_match, etag)) return failed("If-Match");
  } else if (const auto since = parse_http_date(if_unmodified_since)) {
    if (is_modified_since(last_modified_ms, *since)) return failed("If-Unmodified-Since");
  }
  if (!if_none_match.empty()) {
    if (matches_etag(if_none_match, etag)) return S3Code::NotModified;
  } else if (const auto since = parse_http_date(if_modified_since)) {
    if (!is_modified_since(last_modified_ms, *since)) return S3Code::NotModified;
  }
  return {};
}

bool range_still_applies(const http::Headers& headers, std::string_view etag,
                         std::int64_t last_modified_ms) {
  const std::string_view condition = headers.get("if-range");
  if (condition.empty()) return true;
  if (condition.starts_with("W/")) return false;  // a weak tag does not promise equal bytes
  if (const auto since = parse_http_date(condition)) return last_modified_ms / 1000 == *since;
  return unquoted_etag(condition) == etag;
}

S3Result<meta::Precondition> write_precondition(const http::Headers& headers) {
  meta::Precondition precondition;
  for (const std::string_view dated : {"if-modified-since", "if-unmodified-since"}) {
    if (headers.find(dated) != nullptr) return refused_on_write(dated);
  }
  if (const std::string* none_match = headers.find("if-none-match")) {
    if (unquoted_etag(*none_match) != "*") return refused_on_write("If-None-Match");
    precondition.if_none_match_any = true;
  }
  if (const std::string* match = headers.find("if-match")) {
    const std::string_view etag = unquoted_etag(*match);
    if (etag.empty() || etag.find(',') != std::string_view::npos)
      return invalid_argument("If-Match takes one entity tag.", "If-Match", *match);
    precondition.if_match = std::string(etag);
  }
  return precondition;
}

}  // namespace predastore::s3
