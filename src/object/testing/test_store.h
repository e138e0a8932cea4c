#pragma once

#include <memory>
#include <string>

#include "chunk/testing/test_cluster.h"
#include "object/chunked_object_store.h"
#include "object/testing/bodies.h"
#include "object/testing/fake_meta.h"

namespace predastore::object::testing {

// An object store over a cluster of test nodes, with chunks small enough that everything crosses
// their boundaries.
struct TestStore {
  static ObjectOptions small() {
    ObjectOptions options;
    options.chunk_size_bytes = 320 * 1024;  // two and a half stripes of 2+1
    options.read_window_bytes = 128 * 1024;
    options.layout_page_chunks = 3;
    return options;
  }
  explicit TestStore(std::uint32_t node_count, RsConfig rs = {2, 1},
                     ObjectOptions object_options = small(), std::uint64_t seed = 1)
      : cluster(node_count, seed),
        meta(cluster.ring_record(), rs),
        chunks(cluster.env(), cluster, chunk::ChunkOptions{}),
        options(object_options),
        store(cluster.env(), meta, chunks, object_options) {}
  ~TestStore() {
    cluster.run(store.stop());
    cluster.run(chunks.stop());
  }

  Result<ObjectRecord> put(const std::string& key, BodySource& body) {
    PutRequest request;
    request.bucket = "bucket";
    request.key = key;
    request.body = &body;
    return cluster.run(store.put(std::move(request)));
  }
  Result<ObjectRecord> put(const std::string& key, const std::string& text) {
    TextBody body{text};
    body.random = &cluster.random();
    return put(key, body);
  }
  Result<std::unique_ptr<ObjectReader>> open(const std::string& key) {
    return cluster.run(store.get("bucket", key));
  }
  Result<std::string> read(ObjectReader& reader, std::uint64_t first, std::uint64_t last) {
    TextSink sink;
    auto sent = cluster.run(reader.send({first, last}, sink));
    if (!sent) return sent.error();
    return sink.text;
  }
  Result<std::string> get(const std::string& key) {
    auto reader = open(key);
    if (!reader) return reader.error();
    const std::uint64_t size = (*reader)->record().size_bytes;
    if (size == 0) return std::string{};
    return read(**reader, 0, size - 1);
  }
  std::string text(const std::string& key) {
    auto got = get(key);
    return got ? *got : got.error().to_string();
  }
  // Lets the gateway forget who failed.
  void forget() {
    for (std::uint64_t i = 1; i <= cluster.node_count(); ++i) {
      chunks.health().succeeded(NodeId{i}, chunk::NodeUse::read);
      chunks.health().succeeded(NodeId{i}, chunk::NodeUse::write);
    }
  }
  // Rebuilds every role that is missing, where it should be.
  void repair() {
    const auto all = meta.layouts;
    for (const auto& [key, layout] : all) {
      chunk::RebuildRequest request{layout, Incarnation{77}, WriteEpoch{3}, {}};
      for (std::uint8_t role = 0; role < layout.rs.width(); ++role) {
        if (layout.places[role].is_missing)
          request.targets.push_back({ShardRole{role}, layout.places[role].node});
      }
      if (request.targets.empty()) continue;
      auto rebuilt = cluster.run(chunks.rebuild(std::move(request), cluster.in(10min)));
      PREDA_ASSERT(rebuilt.has_value());
      meta.layouts[key] = *rebuilt;
    }
  }

  chunk::testing::TestCluster cluster;
  FakeMeta meta;
  chunk::ChunkService chunks;
  ObjectOptions options;
  ChunkedObjectStore store;
};

}  // namespace predastore::object::testing
