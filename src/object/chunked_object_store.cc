#include "object/chunked_object_store.h"

#include "base/text.h"
#include "object/download.h"
#include "object/upload.h"

namespace predastore::object {
namespace {

MemoryBudget::Patience patience_of(const ObjectOptions& options) {
  return {options.budget_timeout, options.admission_timeout, options.admission_waiting_max};
}

}  // namespace

ChunkedObjectStore::ChunkedObjectStore(Environment env, meta::MetaService& meta,
                                       chunk::ChunkService& chunks, ObjectOptions options)
    : env_(env),
      meta_(meta),
      chunks_(chunks),
      options_(options),
      flights_(env, chunks),
      put_budget_(env.clock, options.put_budget_bytes, patience_of(options)),
      get_reserve_(env.clock, options.get_reserve_bytes, patience_of(options)),
      get_ahead_(env.clock, options.get_ahead_bytes),
      hashes_(env, tasks_, put_budget_, options.hash_batches_max),
      tasks_(env.executor, env.clock) {
  PREDA_ASSERT(check(options).has_value());
}

ChunkedObjectStore::~ChunkedObjectStore() = default;

Result<void> ChunkedObjectStore::check(const ObjectOptions& options) {
  // A stripe of the widest scheme with its parity.
  constexpr std::uint64_t kStripeMaxBytes =
      std::uint64_t{kDataShardsMax + kParityShardsMax} * kSegmentSizeBytes;
  if (options.chunk_size_bytes == 0 || options.chunk_size_bytes > (1U << 30))
    return make_error(ErrorCode::InvalidArgument, "chunk size");
  if (kPutSizeMaxBytes / options.chunk_size_bytes >= 1U << 16)
    return make_error(ErrorCode::InvalidArgument,
                      "a chunk size that gives a part of 5 GiB more than 2^16 chunks");
  if (options.put_budget_bytes < 2 * kStripeMaxBytes ||
      options.get_reserve_bytes < 2 * kStripeMaxBytes)
    return make_error(ErrorCode::InvalidArgument, "memory budgets of uploads and downloads");
  if (options.finishing_chunks_max == 0 || options.hash_backlog_max == 0 ||
      options.read_windows_max == 0 || options.layout_page_chunks == 0)
    return make_error(ErrorCode::InvalidArgument, "windows of uploads and downloads");
  return {};
}

Task<void> ChunkedObjectStore::stop() { (void)co_await tasks_.join(); }

Task<Result<Uploaded>> ChunkedObjectStore::upload(std::string bucket, std::string key,
                                                  PartNumber part_number,
                                                  meta::WriteContext context, BodySource& body) {
  Upload upload{*this, std::move(bucket), std::move(key), part_number, std::move(context), body};
  co_return co_await upload.run();
}

Task<Result<ObjectRecord>> ChunkedObjectStore::put(PutRequest request) {
  PREDA_CO_TRY(meta::WriteContext context,
               co_await meta_.write_context(request.bucket, meta_deadline()));
  const Incarnation incarnation = context.bucket.incarnation;
  const WriteEpoch write_epoch = context.write_epoch;
  PREDA_CO_TRY(Uploaded uploaded, co_await upload(request.bucket, request.key, PartNumber{0},
                                                  std::move(context), *request.body));
  meta::PutObject command;
  command.bucket = std::move(request.bucket);
  command.key = std::move(request.key);
  command.record.etag = to_hex(as_bytes(uploaded.part.etag_md5));
  command.record.size_bytes = uploaded.part.size_bytes;
  command.record.incarnation = incarnation;
  command.record.headers = std::move(request.headers);
  command.record.user_metadata = std::move(request.user_metadata);
  command.record.checksum = uploaded.part.checksum;
  command.record.parts.push_back(std::move(uploaded.part));
  command.layouts = std::move(uploaded.layouts);
  command.inline_bytes = std::string{uploaded.inline_bytes.text()};
  command.write_epoch = write_epoch;
  command.precondition = std::move(request.precondition);
  co_return co_await meta_.put_object(std::move(command), meta_deadline());
}

Task<Result<meta::PartRecord>> ChunkedObjectStore::put_part(PutPartRequest request) {
  // Before gigabytes are read for an upload that does not exist.
  PREDA_CO_TRY(
      const meta::UploadRecord record,
      co_await meta_.get_upload(request.bucket, request.key, request.upload_id, meta_deadline()));
  PREDA_CO_TRY(meta::WriteContext context,
               co_await meta_.write_context(request.bucket, meta_deadline()));
  const WriteEpoch write_epoch = context.write_epoch;
  PREDA_CO_TRY(Uploaded uploaded, co_await upload(request.bucket, request.key, request.part_number,
                                                  std::move(context), *request.body));
  meta::PutPart command;
  command.bucket = std::move(request.bucket);
  command.key = std::move(request.key);
  command.upload_id = std::move(request.upload_id);
  command.incarnation = record.incarnation;
  command.part = std::move(uploaded.part);
  command.layouts = std::move(uploaded.layouts);
  command.write_epoch = write_epoch;
  co_return co_await meta_.put_part(std::move(command), meta_deadline());
}

Task<Result<std::unique_ptr<ObjectReader>>> ChunkedObjectStore::get(std::string bucket,
                                                                    std::string key) {
  const std::uint64_t page = std::uint64_t{options_.layout_page_chunks} * options_.chunk_size_bytes;
  PREDA_CO_TRY(meta::ObjectAndLayouts found,
               co_await meta_.get_object(bucket, key, 0, page - 1, meta_deadline()));
  std::unique_ptr<ObjectReader> reader = std::make_unique<ChunkedObjectReader>(
      *this, std::move(bucket), std::move(key), std::move(found));
  co_return std::move(reader);
}

Task<Result<ObjectRecord>> ChunkedObjectStore::head(std::string bucket, std::string key) {
  PREDA_CO_TRY(meta::ObjectAndLayouts found,
               co_await meta_.get_object(std::move(bucket), std::move(key), 1, 0, meta_deadline()));
  co_return std::move(found.record);
}

}  // namespace predastore::object
