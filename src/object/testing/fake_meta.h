#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "meta/meta_service.h"

namespace predastore::object::testing {

// Metadata in a map, as far as objects, parts and layouts go, with the failures that a test asks
// for. Chunks of replaced objects stay until a test forgets them.
class FakeMeta final : public meta::MetaService {
 public:
  explicit FakeMeta(RingRecord ring, RsConfig rs) : ring_(std::move(ring)) {
    bucket_.name = "bucket";
    bucket_.incarnation = Incarnation{77};
    bucket_.rs = rs;
  }

  // What the next put_object or put_part does: nothing and this error, or all and this error.
  std::optional<Error> refuses;
  std::optional<Error> loses_answer;
  std::function<void()> before_get_layout;
  std::size_t get_object_count = 0;
  std::size_t layouts_given_max = 0;  // by one get_object

  std::uint32_t inline_max_bytes = 0;

  std::map<std::string, ObjectRecord> objects;
  std::map<std::string, std::string> inline_bytes;  // by key
  std::map<std::string, ChunkLayout> layouts;       // by chunk_key

  void set_rs(RsConfig rs) { bucket_.rs = rs; }

  Task<Result<meta::WriteContext>> write_context(std::string bucket, Instant) override {
    if (bucket != bucket_.name) co_return make_error(ErrorCode::NotFound, "bucket");
    meta::WriteContext context{bucket_, ring_, WriteEpoch{3}};
    context.inline_max_bytes = inline_max_bytes;
    co_return context;
  }
  Task<Result<ObjectRecord>> put_object(meta::PutObject command, Instant) override {
    if (refuses) co_return *std::exchange(refuses, std::nullopt);
    if (command.precondition.if_none_match_any && objects.contains(command.key))
      co_return make_error(ErrorCode::Conflict, "it exists");
    command.record.last_modified_ms = ++time_;
    for (ChunkLayout& layout : command.layouts) keep(std::move(layout));
    objects[command.key] = command.record;
    inline_bytes[command.key] = command.inline_bytes;
    if (loses_answer) co_return *std::exchange(loses_answer, std::nullopt);
    co_return command.record;
  }
  Task<Result<meta::ObjectAndLayouts>> get_object(std::string, std::string key, std::uint64_t first,
                                                  std::uint64_t last, Instant) override {
    ++get_object_count;
    const auto found = objects.find(key);
    if (found == objects.end()) co_return make_error(ErrorCode::NotFound, "key");
    meta::ObjectAndLayouts answer;
    answer.record = found->second;
    std::uint64_t begin = 0;
    for (const ObjectPart& part : found->second.parts) {
      if (part.is_inline()) {
        if (first <= last) answer.inline_bytes = inline_bytes.at(key);
        continue;
      }
      for (std::uint64_t at = 0, i = 0; at < part.size_bytes; at += part.chunk_size_bytes, ++i) {
        const std::uint64_t end =
            std::min<std::uint64_t>(at + part.chunk_size_bytes, part.size_bytes);
        if (begin + at > last || begin + end <= first) continue;
        const ChunkIndex index{
            static_cast<std::uint32_t>(std::uint64_t{part.part_number.value()} << 16 | i)};
        answer.layouts.push_back(layouts.at(chunk_key(part.object_id, index)));
      }
      begin += part.size_bytes;
    }
    layouts_given_max = std::max(layouts_given_max, answer.layouts.size());
    co_return answer;
  }
  Task<Result<ChunkLayout>> get_layout(ObjectId object_id, ChunkIndex index, Instant) override {
    if (before_get_layout) before_get_layout();
    const auto found = layouts.find(chunk_key(object_id, index));
    if (found == layouts.end()) co_return make_error(ErrorCode::NotFound, "chunk");
    co_return found->second;
  }
  Task<Result<void>> swap_layout(meta::SwapLayout command, Instant) override {
    keep(std::move(command.layout));
    co_return Result<void>{};
  }
  Task<Result<meta::UploadRecord>> create_upload(meta::UploadRecord upload, Instant) override {
    upload.upload_id = "upload-" + std::to_string(++time_);
    upload.incarnation = bucket_.incarnation;
    uploads_[upload.upload_id] = {upload, {}};
    co_return upload;
  }
  Task<Result<meta::UploadRecord>> get_upload(std::string, std::string, std::string upload_id,
                                              Instant) override {
    const auto found = uploads_.find(upload_id);
    if (found == uploads_.end()) co_return make_error(ErrorCode::NotFound, "upload");
    co_return found->second.record;
  }
  Task<Result<meta::PartRecord>> put_part(meta::PutPart command, Instant) override {
    if (refuses) co_return *std::exchange(refuses, std::nullopt);
    for (ChunkLayout& layout : command.layouts) keep(std::move(layout));
    meta::PartRecord part{command.part, static_cast<std::int64_t>(++time_)};
    uploads_[command.upload_id].parts[command.part.part_number] = part;
    co_return part;
  }
  Task<Result<ObjectRecord>> complete_upload(meta::CompleteUpload command, Instant) override {
    ObjectRecord record;
    for (const meta::CompletePart& wanted : command.parts) {
      const ObjectPart& part = uploads_[command.upload_id].parts[wanted.part_number].part;
      record.parts.push_back(part);
      record.size_bytes += part.size_bytes;
    }
    objects[command.key] = record;
    uploads_.erase(command.upload_id);
    co_return record;
  }

  // ---- what objects do not use

  Task<Result<BucketRecord>> create_bucket(BucketRecord, Instant) override {
    return no<BucketRecord>();
  }
  Task<Result<void>> delete_bucket(std::string, Instant) override { return no<void>(); }
  Task<Result<BucketRecord>> get_bucket(std::string, Instant) override {
    return no<BucketRecord>();
  }
  Task<Result<std::vector<BucketRecord>>> list_buckets(Instant) override {
    return no<std::vector<BucketRecord>>();
  }
  Task<Result<void>> delete_objects(std::string, std::vector<std::string>, meta::Precondition,
                                    Instant) override {
    return no<void>();
  }
  Task<Result<meta::ListPage>> list_objects(meta::ListQuery, Instant) override {
    return no<meta::ListPage>();
  }
  Task<Result<meta::ListPartsPage>> list_parts(std::string, std::string, std::string, std::uint32_t,
                                               std::uint32_t, Instant) override {
    return no<meta::ListPartsPage>();
  }
  Task<Result<void>> abort_upload(std::string, std::string, std::string, Instant) override {
    return no<void>();
  }
  Task<Result<meta::ListUploadsPage>> list_uploads(meta::ListUploadsQuery, Instant) override {
    return no<meta::ListUploadsPage>();
  }
  Task<Result<std::vector<ChunkLayout>>> layouts_after(std::string, std::uint32_t,
                                                       Instant) override {
    return no<std::vector<ChunkLayout>>();
  }
  Task<Result<void>> report_damage(std::vector<ShardKey>, Instant) override { return no<void>(); }
  Task<Result<std::vector<meta::RepairItem>>> repair_queue(std::uint32_t, Instant) override {
    return no<std::vector<meta::RepairItem>>();
  }
  Task<Result<std::vector<meta::RepairItem>>> repair_queue_after(std::string, std::uint32_t,
                                                                 Instant) override {
    return no<std::vector<meta::RepairItem>>();
  }
  Task<Result<std::vector<meta::GarbageItem>>> garbage_queue(std::uint32_t, Instant) override {
    return no<std::vector<meta::GarbageItem>>();
  }
  Task<Result<void>> garbage_done(std::vector<std::uint64_t>, Instant) override {
    return no<void>();
  }
  Task<Result<meta::ClusterState>> cluster_state(Instant) override {
    return no<meta::ClusterState>();
  }
  Task<Result<RingRecord>> ring(RingEpoch, Instant) override { return no<RingRecord>(); }
  Task<Result<void>> set_tagging(std::string, std::string, std::string, Instant) override {
    return no<void>();
  }
  Task<Result<void>> put_setting(std::string, std::string, Instant) override { return no<void>(); }
  Task<Result<std::optional<std::string>>> get_setting(std::string, Instant) override {
    return no<std::optional<std::string>>();
  }

 private:
  struct Upload {
    meta::UploadRecord record;
    std::map<PartNumber, meta::PartRecord> parts;
  };
  template <class T>
  static Task<Result<T>> no() {
    co_return make_error(ErrorCode::Unsupported, "not in this test");
  }
  void keep(ChunkLayout layout) {
    const std::string key = chunk_key(layout.object_id, layout.chunk_index);
    layouts.insert_or_assign(key, std::move(layout));
  }

  BucketRecord bucket_;
  RingRecord ring_;
  std::map<std::string, Upload> uploads_;
  std::int64_t time_ = 0;
};

}  // namespace predastore::object::testing
