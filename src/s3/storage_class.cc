#include "s3/storage_class.h"

#include <algorithm>
#include <array>

namespace predastore::s3 {
namespace {

constexpr auto kClasses =
    std::to_array<std::string_view>({kStandardClass, "REDUCED_REDUNDANCY", "STANDARD_IA",
                                     "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"});

}  // namespace

bool is_storage_class(std::string_view name) {
  return std::ranges::find(kClasses, name) != kClasses.end();
}

std::string storage_class_of(const std::map<std::string, std::string>& headers) {
  const auto at = headers.find(kStorageClassHeader);
  return at == headers.end() ? std::string(kStandardClass) : at->second;
}

}  // namespace predastore::s3
