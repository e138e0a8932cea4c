#pragma once

#include <cstdint>
#include <string_view>

#include "http/message.h"
#include "meta/meta_service.h"
#include "s3/error_table.h"

namespace predastore::s3 {

// The headers of a conditional read (of the object itself, or with "x-amz-copy-source-" before
// them, of the source of a copy) against an object, with AWS's precedence:
//   If-Match, else If-Unmodified-Since   not held: PreconditionFailed
//   If-None-Match, else If-Modified-Since   not held: NotModified
// A date that is none is ignored. `etag` without quotes.
struct ReadConditions {
  std::string_view if_match;
  std::string_view if_none_match;
  std::string_view if_modified_since;
  std::string_view if_unmodified_since;

  static ReadConditions of(const http::Headers& headers);
  static ReadConditions of_copy_source(const http::Headers& headers);
  S3Result<void> check(std::string_view etag, std::int64_t last_modified_ms) const;
};

// Whether a Range header is to be obeyed: no If-Range, or one that names this object as it is.
bool range_still_applies(const http::Headers& headers, std::string_view etag,
                         std::int64_t last_modified_ms);

// The condition of a write: If-None-Match with "*" only, If-Match with one entity tag or "*". What
// AWS does not take on writes (other If-None-Match, dates) is NotImplemented.
S3Result<meta::Precondition> write_precondition(const http::Headers& headers);

// Whether a list of entity tags ("*", weak or strong, with quotes or without) holds `etag`.
bool matches_etag(std::string_view list, std::string_view etag);

// Without white space, W/ and quotes.
std::string_view unquoted_etag(std::string_view etag);

}  // namespace predastore::s3
