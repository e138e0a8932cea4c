#include "admin/growth_request.h"

namespace predastore::admin {

namespace json = boost::json;

Result<json::object> object_of(const std::string& body) {
  if (body.empty()) return json::object{};
  boost::system::error_code error;
  json::value parsed = json::parse(body, error);
  if (error || !parsed.is_object())
    return make_error(ErrorCode::InvalidArgument, "the body is no JSON object");
  return std::move(parsed.as_object());
}

std::string text_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string{value->as_string()} : std::string{};
}

std::uint64_t number_of(const json::object& object, const char* key, std::uint64_t fallback) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_int64() || value->as_int64() < 0) return fallback;
  return static_cast<std::uint64_t>(value->as_int64());
}

}  // namespace predastore::admin
