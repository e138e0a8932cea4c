#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace predastore::admin {

// What is asked for: POST /v1/jobs/7/pause gives "jobs", "7", "pause".
struct GrowthRequest {
  std::string method;
  std::string collection;
  std::string name;
  std::string action;
  std::string body;
};

inline Error nothing_there() {
  return make_error(ErrorCode::NotFound, "there is nothing at this path");
}
// An empty body is an empty object.
Result<boost::json::object> object_of(const std::string& body);
// Empty when it is not there, or no string.
std::string text_of(const boost::json::object& object, const char* key);
std::uint64_t number_of(const boost::json::object& object, const char* key, std::uint64_t fallback);

}  // namespace predastore::admin
