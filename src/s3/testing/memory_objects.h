#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/codec.h"
#include "base/text.h"
#include "digest/crc.h"
#include "digest/hash.h"
#include "env/environment.h"
#include "meta/testing/test_objects.h"
#include "object/object_store.h"

// Only for tests: objects whose bytes are in a map and whose records are in real metadata.
namespace predastore::s3::testing {

class MemoryObjects;

class MemoryReader final : public object::ObjectReader {
 public:
  MemoryReader(MemoryObjects& store, ObjectRecord record, std::string bytes)
      : store_(store), record_(std::move(record)), bytes_(std::move(bytes)) {}
  const ObjectRecord& record() const override { return record_; }
  Task<Result<void>> send(object::ByteRange range, object::BodySink& sink) override;

 private:
  MemoryObjects& store_;
  ObjectRecord record_;
  std::string bytes_;
};

class MemoryObjects final : public object::ObjectStore {
 public:
  MemoryObjects(Environment env, meta::MetaService& meta) : env_(env), meta_(meta) {}

  Task<Result<ObjectRecord>> put(object::PutRequest request) override {
    PREDA_CO_TRY(meta::WriteContext context,
                 co_await meta_.write_context(request.bucket, deadline()));
    PREDA_CO_TRY(ObjectPart part, co_await store(*request.body, 0));
    meta::PutObject command;
    command.record.etag = to_hex(as_bytes(part.etag_md5));
    command.record.size_bytes = part.size_bytes;
    command.record.incarnation = context.bucket.incarnation;
    command.record.headers = std::move(request.headers);
    command.record.user_metadata = std::move(request.user_metadata);
    command.record.checksum = part.checksum;
    command.layouts = ids_.layouts(part, context);
    command.record.parts.push_back(std::move(part));
    command.bucket = std::move(request.bucket);
    command.key = std::move(request.key);
    command.write_epoch = context.write_epoch;
    command.precondition = std::move(request.precondition);
    co_return co_await meta_.put_object(std::move(command), deadline());
  }

  Task<Result<meta::PartRecord>> put_part(object::PutPartRequest request) override {
    PREDA_CO_TRY(
        meta::UploadRecord upload,
        co_await meta_.get_upload(request.bucket, request.key, request.upload_id, deadline()));
    PREDA_CO_TRY(meta::WriteContext context,
                 co_await meta_.write_context(request.bucket, deadline()));
    meta::PutPart command;
    PREDA_CO_TRY(command.part, co_await store(*request.body, request.part_number.value()));
    command.bucket = std::move(request.bucket);
    command.key = std::move(request.key);
    command.upload_id = std::move(request.upload_id);
    command.incarnation = upload.incarnation;
    command.layouts = ids_.layouts(command.part, context);
    command.write_epoch = context.write_epoch;
    co_return co_await meta_.put_part(std::move(command), deadline());
  }

  Task<Result<std::unique_ptr<object::ObjectReader>>> get(std::string bucket,
                                                          std::string key) override {
    PREDA_CO_TRY(ObjectRecord record, co_await head(std::move(bucket), std::move(key)));
    std::string bytes;
    for (const ObjectPart& part : record.parts) bytes += bytes_.at(part.object_id);
    PREDA_ASSERT(bytes.size() == record.size_bytes);
    std::unique_ptr<object::ObjectReader> reader =
        std::make_unique<MemoryReader>(*this, std::move(record), std::move(bytes));
    co_return std::move(reader);
  }

  Task<Result<ObjectRecord>> head(std::string bucket, std::string key) override {
    PREDA_CO_TRY(meta::ObjectAndLayouts found,
                 co_await meta_.get_object(std::move(bucket), std::move(key), 0, 0, deadline()));
    co_return std::move(found.record);
  }

  // Reads end with Corruption before this byte; writes end with this error.
  std::uint64_t unreadable_from = ~std::uint64_t{0};
  std::optional<Error> refuse_writes;

 private:
  Instant deadline() const { return env_.clock.now() + 30s; }

  Task<Result<ObjectPart>> store(object::BodySource& body, std::uint16_t number) {
    if (refuse_writes) co_return *refuse_writes;
    std::string bytes;
    while (true) {
      PREDA_CO_TRY(Buffer piece, co_await body.read(64 * 1024));
      if (piece.empty()) break;
      bytes += piece.text();
    }
    ObjectPart part = ids_.part(bytes.size(), number);
    part.etag_md5 = digest::md5(bytes);
    part.checksum = body.checksum();
    if (part.checksum.algorithm == ChecksumAlgorithm::none) {
      Encoder value;
      value.be(digest::crc64nvme(as_bytes(bytes)));
      part.checksum = {ChecksumAlgorithm::crc64nvme, ChecksumType::full_object,
                       std::move(value).take()};
    }
    bytes_[part.object_id] = std::move(bytes);
    co_return part;
  }

  Environment env_;
  meta::MetaService& meta_;
  meta::TestObjects ids_{1 << 20};
  std::map<ObjectId, std::string> bytes_;
};

inline Task<Result<void>> MemoryReader::send(object::ByteRange range, object::BodySink& sink) {
  std::uint64_t at = range.first;
  while (at <= range.last) {
    if (at >= store_.unreadable_from) co_return make_error(ErrorCode::Corruption, "unreadable");
    const std::uint64_t end =
        std::min({range.last + 1, at + 10'000, std::max(at + 1, store_.unreadable_from)});
    Buffer piece = Buffer::copy_of(std::string_view(bytes_).substr(at, end - at));
    PREDA_CO_CHECK(co_await sink.write(std::move(piece)));
    at = end;
  }
  co_return Result<void>{};
}

}  // namespace predastore::s3::testing
