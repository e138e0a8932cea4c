#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "env/clock.h"
#include "env/task.h"
#include "meta/meta_service.h"
#include "model/layout.h"

namespace predastore::object {

// The bytes of an upload, already authenticated and unframed. The reader checks what the client
// promised (length, payload hash, chunk signatures, trailing checksum, Content-MD5) before it
// reports the end; an error from it is the upload's error.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // 1..max_bytes bytes; empty at the (verified) end.
  virtual Task<Result<Buffer>> read(std::size_t max_bytes) = 0;
  virtual std::optional<std::uint64_t> size_bytes() const = 0;  // logical, when announced
  // After the end: the checksum that the client sent and that was verified, or none.
  virtual ObjectChecksum checksum() const = 0;
};
// Where the bytes of a download go. An error ends the download.
class BodySink {
 public:
  virtual ~BodySink() = default;
  virtual Task<Result<void>> write(Buffer bytes) = 0;
  // One after the other; fewer and larger steps where the sink can.
  virtual Task<Result<void>> write_all(std::vector<Buffer> pieces);
};

struct PutRequest {
  std::string bucket;
  std::string key;
  std::map<std::string, std::string> headers;
  std::map<std::string, std::string> user_metadata;
  meta::Precondition precondition;
  BodySource* body = nullptr;  // outlives the call
};
struct PutPartRequest {
  std::string bucket;
  std::string key;
  std::string upload_id;
  PartNumber part_number;
  BodySource* body = nullptr;
};
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;  // inclusive
};

// A reader of one object as it was at one linearizable read. begin() first proves that the first
// bytes can be had.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  virtual const ObjectRecord& record() const = 0;
  // Sends the range in order. An error after bytes were written must end in a broken connection.
  virtual Task<Result<void>> send(ByteRange range, BodySink& sink) = 0;
};

// The object store without HTTP or S3 in it. Errors as MetaService; besides, Unavailable when fewer
// than the write quorum of shards became durable, Corruption when more than M shards of a chunk are
// damaged.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  virtual Task<Result<ObjectRecord>> put(PutRequest request) = 0;
  virtual Task<Result<std::unique_ptr<ObjectReader>>> get(std::string bucket, std::string key) = 0;
  virtual Task<Result<ObjectRecord>> head(std::string bucket, std::string key) = 0;
  virtual Task<Result<meta::PartRecord>> put_part(PutPartRequest request) = 0;
};

}  // namespace predastore::object
