#pragma once

#include <cstdint>

#include "http/message.h"
#include "model/layout.h"
#include "object/object_store.h"
#include "s3/error_table.h"
#include "s3/query.h"

namespace predastore::s3 {

// The answer to GET or HEAD of one object: what to say and which bytes to send.
struct ReadPlan {
  unsigned status = 200;    // 200, 206 or 304
  http::Headers headers;    // without Content-Length
  std::uint64_t first = 0;  // of the bytes to send
  std::uint64_t size_bytes = 0;
};

// From the object as it is and everything the request says about it: version, conditions,
// partNumber or Range (with If-Range), response-* overrides, checksum mode.
S3Result<ReadPlan> plan_read(const ObjectRecord& record, const Query& query,
                             const http::Headers& headers);

// versionId: there is one version of everything, which is called "null".
S3Result<void> check_version_id(const Query& query);

}  // namespace predastore::s3
