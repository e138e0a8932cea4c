#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "chunk/testing/test_cluster.h"
#include "meta/testing/test_meta.h"
#include "repair/testing/test_heal_nodes.h"

namespace predastore::repair::testing {

// Nodes with real shard stores and real metadata commands; a bucket "b" with objects of one chunk
// each; and the one Repairer that repairs for all of them.
class StoredChunksTest : public ::testing::Test {
 protected:
  StoredChunksTest(std::uint32_t nodes, RsConfig rs, std::size_t size_bytes)
      : size_bytes_(size_bytes), cluster_{nodes} {
    nodes_.repairer = &repairer_;
    run(meta_.open());
    BucketRecord bucket;
    bucket.name = "b";
    bucket.rs = rs;
    EXPECT_TRUE(run(meta().create_bucket(bucket, soon())));
  }
  ~StoredChunksTest() override { run(chunks_.stop()); }

  template <class T>
  T run(Task<T> task) {
    return cluster_.run(std::move(task));
  }
  void run(Task<void> task) { cluster_.run(std::move(task)); }
  Instant soon() { return cluster_.in(600s); }
  meta::MetaService& meta() { return meta_.service(); }
  meta::Growth& growth() { return meta_.service().growth(); }

  ChunkLayout put(const std::string& key, std::uint64_t seed) {
    const auto context = run(meta().write_context("b", soon())).value();
    chunk::ChunkTarget target;
    cluster_.random().fill(target.object_id.bytes);
    target.rs = context.bucket.rs;
    target.write_epoch = context.write_epoch;
    target.incarnation = context.bucket.incarnation;
    ObjectPart part;
    part.object_id = target.object_id;
    part.size_bytes = size_bytes_;
    part.chunk_size_bytes = kChunkSizeBytes;
    auto placed = chunks_.placed(std::move(target), context.ring, "b", key);
    auto layout = run(chunk::testing::write_chunk(chunks_, std::move(*placed),
                                                  chunk::testing::bytes_of(size_bytes_, seed)));
    EXPECT_TRUE(layout) << layout.error().to_string();
    meta::PutObject command;
    command.bucket = "b";
    command.key = key;
    command.record.etag = "e";
    command.record.size_bytes = size_bytes_;
    command.record.incarnation = context.bucket.incarnation;
    command.record.parts.push_back(part);
    command.layouts = {*layout};
    command.write_epoch = context.write_epoch;
    const auto stored = run(meta().put_object(std::move(command), soon()));
    EXPECT_TRUE(stored) << stored.error().to_string();
    return *layout;
  }

  std::size_t size_bytes_;
  chunk::testing::TestCluster cluster_;
  meta::TestMeta meta_{cluster_.env()};
  chunk::ChunkService chunks_{cluster_.env(), cluster_, chunk::ChunkOptions{}, {}};
  TestHealNodes nodes_{cluster_};
  Repairer repairer_{cluster_.env(), unlimited(), meta_.service(),    chunks_,
                     cluster_,       nodes_,      [] { return true; }};
};

}  // namespace predastore::repair::testing
