#pragma once

#include <map>
#include <string>

#include "http/message.h"
#include "model/layout.h"
#include "s3/error_table.h"
#include "s3/query.h"

namespace predastore::s3 {

inline constexpr std::size_t kUserMetadataMaxBytes = 2048;  // names and values, as AWS counts
inline constexpr std::size_t kContentHeadersMaxBytes = 8192;

// What a write says about its object, as ObjectRecord keeps it.
struct ObjectHeaders {
  std::map<std::string, std::string> headers;        // content-type, ...; lower case
  std::map<std::string, std::string> user_metadata;  // without x-amz-meta-, lower case
};

// From the headers of PutObject, CreateMultipartUpload or CopyObject. `aws-chunked` is taken out of
// Content-Encoding. MetadataTooLarge; InvalidArgument for values that are not UTF-8 or hold
// control characters.
S3Result<ObjectHeaders> object_headers(const http::Headers& headers);

// Headers that ask for what is not built, on a write (encryption, tags, object lock, other storage
// classes, ACLs that give rights to others): refused, never left out of account.
S3Result<void> refuse_unbuilt(const http::Headers& headers);

// The headers of an answer to GET or HEAD that come from the object: ETag, Last-Modified,
// Accept-Ranges, the content headers with the response-* parameters of the query over them, and
// x-amz-meta-*. InvalidArgument for an override that cannot be a header.
S3Result<http::Headers> answer_headers(const ObjectRecord& record, const Query& query);

std::string quoted_etag(std::string_view etag);

}  // namespace predastore::s3
