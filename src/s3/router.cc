#include "s3/router.h"

#include <algorithm>
#include <optional>

#include "s3/names.h"

namespace predastore::s3 {
namespace {

// The host without its port, in lower case and without a final dot.
std::string host_name(std::string_view host) {
  if (host.starts_with('[')) {
    host = host.substr(0, std::min(host.find(']'), host.size() - 1) + 1);
  } else {
    host = host.substr(0, std::min(host.find(':'), host.size()));
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  return http::to_lower(host);
}

std::optional<std::string> bucket_of_host(std::string_view host,
                                          const std::vector<std::string>& domains) {
  const std::string name = host_name(host);
  for (const std::string& domain : domains) {
    if (name.size() <= domain.size() + 1 || !name.ends_with(domain)) continue;
    const std::size_t bucket_size = name.size() - domain.size() - 1;
    if (name[bucket_size] == '.') return name.substr(0, bucket_size);
  }
  return std::nullopt;
}

// "name" or "name=value" of the table against the query.
bool selects(std::string_view selector, const Query& query) {
  if (selector.empty()) return true;
  const std::size_t equals = std::min(selector.find('='), selector.size());
  const std::string* value = query.find(selector.substr(0, equals));
  if (value == nullptr) return false;
  return equals == selector.size() || *value == selector.substr(equals + 1);
}

std::string_view selector_name(std::string_view selector) {
  return selector.substr(0, std::min(selector.find('='), selector.size()));
}

int weight_of(const OperationInfo& info) {
  return static_cast<int>(!info.selector.empty()) + static_cast<int>(!info.selector2.empty()) +
         static_cast<int>(!info.selecting_header.empty());
}

bool has_word(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    if (words.substr(0, end) == word) return true;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return false;
}

bool is_selector_of_any(std::string_view name) {
  return std::ranges::any_of(operation_table(), [&](const OperationInfo& info) {
    return selector_name(info.selector) == name || selector_name(info.selector2) == name;
  });
}

// Whether the operation takes account of this parameter, or may leave it out of account: those that
// begin with "x-" are for logs and signatures, and AWS ignores unknown ones that have a value. A
// name without a value is a sub-resource.
bool is_accounted_for(const OperationInfo& info, const Query::Parameter& parameter) {
  if (parameter.name == selector_name(info.selector)) return true;
  if (parameter.name == selector_name(info.selector2)) return true;
  if (has_word(info.parameters, parameter.name)) return true;
  if (http::to_lower(parameter.name).starts_with("x-")) return true;
  return !is_selector_of_any(parameter.name) && !parameter.value.empty();
}

std::string_view resource_type(Level level) {
  switch (level) {
    case Level::service: return "SERVICE";
    case Level::bucket: return "BUCKET";
    case Level::object: return "OBJECT";
  }
  return "OBJECT";
}

S3Error not_implemented(std::string_view name) {
  return S3Error{S3Code::NotImplemented}.with("Header", std::string(name));
}

}  // namespace

S3Result<Address> parse_address(std::string_view host, std::string_view raw_path,
                                const std::vector<std::string>& domains) {
  Address address;
  if (!raw_path.starts_with('/')) return S3Code::InvalidURI;
  raw_path.remove_prefix(1);
  if (std::optional<std::string> bucket = bucket_of_host(host, domains)) {
    address.bucket = std::move(*bucket);
  } else {
    const std::size_t slash = std::min(raw_path.find('/'), raw_path.size());
    std::optional<std::string> first = decode_path(raw_path.substr(0, slash));
    if (!first) return S3Code::InvalidURI;
    address.bucket = std::move(*first);
    raw_path.remove_prefix(std::min(slash + 1, raw_path.size()));
    if (address.bucket.empty()) {
      if (!raw_path.empty()) return S3Code::InvalidBucketName;  // "//key"
      return address;
    }
  }
  PREDA_CHECK(check_bucket_name(address.bucket));
  std::optional<std::string> key = decode_path(raw_path);
  if (!key) return S3Code::InvalidURI;
  address.level = key->empty() ? Level::bucket : Level::object;
  if (!key->empty()) {
    PREDA_CHECK(check_key(*key));
  }
  address.key = std::move(*key);
  return address;
}

S3Result<const OperationInfo*> route(std::string_view method, Level level, const Query& query,
                                     const http::Headers& headers) {
  const OperationInfo* best = nullptr;
  for (const OperationInfo& info : operation_table()) {
    if (info.method != method || info.level != level) continue;
    if (!selects(info.selector, query) || !selects(info.selector2, query)) continue;
    if (!info.selecting_header.empty() && headers.find(info.selecting_header) == nullptr) continue;
    if (best == nullptr || weight_of(info) > weight_of(*best)) best = &info;
  }
  // A sub-resource comes before the method: it may be one that we do not know yet.
  for (const Query::Parameter& parameter : query.parameters()) {
    if (best == nullptr ? is_selector_of_any(parameter.name) : !is_accounted_for(*best, parameter))
      return not_implemented(parameter.name);
  }
  if (best == nullptr) {
    return S3Error{S3Code::MethodNotAllowed}
        .with("Method", std::string(method))
        .with("ResourceType", std::string(resource_type(level)));
  }
  return best;
}

}  // namespace predastore::s3
