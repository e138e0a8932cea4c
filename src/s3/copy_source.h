#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/message.h"
#include "model/layout.h"
#include "s3/error_table.h"

namespace predastore::s3 {

struct CopySource {
  std::string bucket;
  std::string key;
};

// x-amz-copy-source: "BUCKET/KEY" or "/BUCKET/KEY", percent-encoded as one, with "?versionId=null"
// after it or nothing. The key is taken as it is decoded: no segment of it means anything.
// InvalidArgument for what has no bucket and key in it; NotImplemented for other versions and
// access points.
S3Result<CopySource> parse_copy_source(std::string_view header);

// `error` of looking for the source, with the name of what was not found.
S3Error about_source(S3Error error, const CopySource& source);

// Whether the headers and metadata of the copy are those of the request (REPLACE) or of the source.
// The name of the header is given: x-amz-metadata-directive.
S3Result<bool> replaces(const http::Headers& headers, std::string_view directive);

// x-amz-copy-source-if-*: PreconditionFailed, also where a GET would say NotModified.
S3Result<void> check_copy_conditions(const http::Headers& headers, const ObjectRecord& source);

// x-amz-checksum-algorithm of a copy; none when it is not asked for.
S3Result<ChecksumAlgorithm> copy_algorithm(const http::Headers& headers);

}  // namespace predastore::s3
