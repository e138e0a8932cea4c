#pragma once

#include <map>
#include <string>
#include <string_view>

namespace predastore::s3 {

// The storage class of an object is kept among its headers, by this name; STANDARD is not written
// down. All bytes are stored in one way, which keeps what STANDARD promises: classes that promise
// no more and are read at once are taken and told again. GLACIER and DEEP_ARCHIVE are not: their
// objects cannot be read before RestoreObject.
inline constexpr const char* kStorageClassHeader = "x-amz-storage-class";
inline constexpr std::string_view kStandardClass = "STANDARD";

bool is_storage_class(std::string_view name);
// Of an object or an upload with these headers.
std::string storage_class_of(const std::map<std::string, std::string>& headers);

}  // namespace predastore::s3
