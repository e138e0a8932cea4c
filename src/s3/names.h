#pragma once

#include <string>
#include <string_view>

#include "s3/error_table.h"

namespace predastore::s3 {

// AWS's rules for new general purpose buckets: 3..63 of a-z 0-9 . -, beginning and ending with a
// letter or digit, no two dots in a row, not of the form of an IPv4 address, and none of the
// reserved prefixes and suffixes.
bool is_bucket_name(std::string_view name);

// InvalidBucketName, naming the bucket.
S3Result<void> check_bucket_name(std::string_view name);

// Keys are opaque bytes to the end: 1..1024 bytes of UTF-8, and nothing else is asked of them.
S3Result<void> check_key(std::string_view key);

}  // namespace predastore::s3
