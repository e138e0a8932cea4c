#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>

namespace predastore::cli {

// Fields of what the administration answers, as far as they are there and of their type; else
// empty, zero, false or none.
std::string text_of(const boost::json::object& object, const char* key);
double number_of(const boost::json::object& object, const char* key);
std::int64_t integer_of(const boost::json::object& object, const char* key);
bool flag_of(const boost::json::object& object, const char* key);
const boost::json::array* list_of(const boost::json::object& object, const char* key);

// For people.
std::string size_text(double bytes);                // 1.5 MiB
std::string time_text(std::int64_t ms_since_1970);  // 2026-01-31 23:59:59, UTC; "-" for zero

}  // namespace predastore::cli
