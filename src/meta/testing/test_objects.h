#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "digest/hash.h"
#include "meta/meta_service.h"

namespace predastore::meta {

// Objects that look as if a gateway had written their shards. For tests.
class TestObjects {
 public:
  explicit TestObjects(std::uint32_t chunk_size_bytes = 1000)
      : chunk_size_bytes_(chunk_size_bytes) {}

  ObjectId next_id() {
    const std::string hash = digest::sha256("object " + std::to_string(++count_));
    return ObjectId::from(as_bytes(hash));
  }

  ObjectPart part(std::uint64_t size_bytes, std::uint16_t number = 0) {
    ObjectPart made;
    made.object_id = next_id();
    made.part_number = PartNumber{number};
    made.size_bytes = size_bytes;
    made.chunk_size_bytes = chunk_size_bytes_;
    made.etag_md5 = digest::md5("part " + std::to_string(count_));
    return made;
  }

  // Every chunk on nodes 1, 2, 3 under RS(2,1).
  std::vector<ChunkLayout> layouts(const ObjectPart& part, const WriteContext& context) {
    std::vector<ChunkLayout> made;
    std::uint64_t left = part.size_bytes;
    for (std::uint32_t i = 0; left > 0; ++i) {
      ChunkLayout layout;
      layout.object_id = part.object_id;
      layout.chunk_index = ChunkIndex{(std::uint32_t{part.part_number.value()} << 16) + i};
      layout.size_bytes = std::min<std::uint64_t>(left, part.chunk_size_bytes);
      layout.rs = context.bucket.rs;
      layout.ring_epoch = context.ring.epoch;
      layout.placement_hash = std::uint64_t{count_} << 56 | i;
      layout.generation = Generation{1};
      layout.write_epoch = context.write_epoch;
      layout.crc64nvme = count_ * 1000 + i;
      for (std::uint64_t node = 1; node <= layout.rs.width(); ++node) {
        ShardPlace place;
        place.node = NodeId{node};
        place.write_id = WriteId{count_ * 100 + node};
        layout.places.push_back(place);
      }
      left -= layout.size_bytes;
      made.push_back(std::move(layout));
    }
    return made;
  }

  PutObject put(const std::string& bucket, const std::string& key, std::uint64_t size_bytes,
                const WriteContext& context) {
    PutObject command;
    command.bucket = bucket;
    command.key = key;
    const ObjectPart only = part(size_bytes);
    command.layouts = layouts(only, context);
    command.record.etag = to_hex(as_bytes(only.etag_md5));
    command.record.size_bytes = size_bytes;
    command.record.incarnation = context.bucket.incarnation;
    command.record.parts.push_back(only);
    command.write_epoch = context.write_epoch;
    return command;
  }

  PutPart put_part(const UploadRecord& upload, std::uint16_t number, std::uint64_t size_bytes,
                   const WriteContext& context) {
    PutPart command;
    command.bucket = upload.bucket;
    command.key = upload.key;
    command.upload_id = upload.upload_id;
    command.incarnation = upload.incarnation;
    command.part = part(size_bytes, number);
    command.layouts = layouts(command.part, context);
    command.write_epoch = context.write_epoch;
    return command;
  }

 private:
  std::uint32_t chunk_size_bytes_;
  std::uint64_t count_ = 0;
};

}  // namespace predastore::meta
