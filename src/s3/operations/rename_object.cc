#include <algorithm>
#include <optional>
#include <utility>

#include "s3/conditions.h"
#include "s3/dates.h"
#include "s3/names.h"
#include "s3/operations/operations.h"
#include "s3/query.h"

namespace predastore::s3 {
namespace {

constexpr std::size_t kClientTokenMaxBytes = 64;

std::vector<std::string> etags_of(std::string_view list) {
  std::vector<std::string> etags;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    const std::string_view etag = unquoted_etag(list.substr(0, end));
    if (!etag.empty()) etags.emplace_back(etag);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return etags;
}

// The four headers that begin with `prefix`; dates that are none are ignored, as on reads.
meta::RenameCondition condition_of(const http::Headers& headers, const std::string& prefix) {
  meta::RenameCondition condition;
  condition.if_match = etags_of(headers.get(prefix + "if-match"));
  condition.if_none_match = etags_of(headers.get(prefix + "if-none-match"));
  condition.modified_since_s = parse_http_date(headers.get(prefix + "if-modified-since"));
  condition.unmodified_since_s = parse_http_date(headers.get(prefix + "if-unmodified-since"));
  return condition;
}

// x-amz-rename-source: the key, percent-encoded, with or without a slash before it.
S3Result<std::string> source_of(std::string_view header) {
  if (header.starts_with('/')) header.remove_prefix(1);
  std::optional<std::string> key = decode_path(header);
  if (!key || key->empty())
    return invalid_argument("x-amz-rename-source must name the object to rename.",
                            "x-amz-rename-source", header);
  PREDA_CHECK(check_key(*key));
  return *std::move(key);
}

// As AWS has it, what stands for a directory is not renamed.
S3Result<void> check_no_directory(std::string_view key) {
  if (!key.ends_with('/')) return {};
  return S3Error{S3Code::InvalidRequest,
                 "RenameObject is not supported for keys that end with a slash."};
}

S3Result<std::string> client_token(const http::Headers& headers) {
  const std::string token(headers.get("x-amz-client-token"));
  const bool is_visible = std::ranges::all_of(token, [](char c) { return c > ' ' && c < '\x7f'; });
  if (token.size() > kClientTokenMaxBytes || !is_visible)
    return invalid_argument("A client token has at most 64 visible characters of ASCII.",
                            "x-amz-client-token", token);
  return token;
}

}  // namespace

Task<S3Result<Reply>> rename_object(Call& call) {
  meta::RenameObject command;
  command.bucket = call.bucket();
  command.key = call.key();
  PREDA_CO_TRY(command.source, source_of(call.headers().get("x-amz-rename-source")));
  PREDA_CO_CHECK(check_no_directory(command.source));
  PREDA_CO_CHECK(check_no_directory(command.key));
  PREDA_CO_TRY(command.client_token, client_token(call.headers()));
  command.condition = condition_of(call.headers(), "");
  command.source_condition = condition_of(call.headers(), "x-amz-rename-source-");
  PREDA_CO_CHECK(as_s3(co_await call.meta().rename_object(std::move(command), call.deadline()),
                       ErrorContext::write));
  co_return Reply{};
}

}  // namespace predastore::s3
