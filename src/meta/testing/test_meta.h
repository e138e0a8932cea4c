#pragma once

#include <memory>
#include <string>
#include <utility>

#include "kv/memory_store.h"
#include "meta/replicated_meta_service.h"
#include "meta/testing/immediate_replica.h"

namespace predastore::meta {

struct TestMetaOptions {
  std::size_t node_count = 3;  // node ids 1, 2, ... ; slots in that order
  Limits limits;
  Duration write_context_cache = 0s;
  Duration retry_delay = 1ms;
};

// A whole metadata service on one node and in memory, initialised with open(): real commands, real
// state machine, no log and no network. For tests of other folders.
//
//   TestMeta meta{host.environment()};
//   run_until_done(host.loop, meta.open());
//   meta.service() ...
class TestMeta {
 public:
  explicit TestMeta(Environment env, TestMetaOptions options = {},
                    std::shared_ptr<kv::MemoryDisk> disk = nullptr)
      : env_(env),
        options_(options),
        disk_(disk ? std::move(disk) : std::make_shared<kv::MemoryDisk>(kFamilyCount)) {
    auto opened = StateMachine::open(env, kv::open_memory(disk_));
    PREDA_ASSERT(opened.has_value());
    state_ = *std::move(opened);
    replica_ = std::make_unique<ImmediateReplica>(env, NodeId{1}, *state_);
    MetaOptions meta;
    meta.self = NodeId{1};
    meta.bootstrap = bootstrap();
    meta.write_context_cache = options_.write_context_cache;
    meta.retry_delay = options_.retry_delay;
    service_ = ReplicatedMetaService::make(env, meta, *state_, *replica_, nullptr, nullptr);
  }

  Bootstrap bootstrap() const {
    Bootstrap made;
    made.cluster_id.bytes.fill(std::byte{7});
    made.limits = options_.limits;
    for (std::uint64_t id = 1; id <= options_.node_count; ++id) {
      NodeRecord node;
      node.node = NodeId{id};
      node.name = "n" + std::to_string(id);
      made.nodes.push_back(std::move(node));
    }
    return made;
  }

  // Initialises the cluster; nothing runs in the background afterwards.
  Task<void> open() {
    auto done = co_await service_->initialise(env_.clock.now() + 10s);
    PREDA_ASSERT(done.has_value());
  }
  // Moves the cluster's time on by `count` write epochs.
  Task<void> advance(std::size_t count = 1) {
    for (std::size_t i = 0; i < count; ++i) {
      auto done = co_await service_->advance_write_epoch(env_.clock.now() + 10s);
      PREDA_ASSERT(done.has_value());
    }
  }

  ReplicatedMetaService& service() { return *service_; }
  StateMachine& state() { return *state_; }
  ImmediateReplica& replica() { return *replica_; }
  std::shared_ptr<kv::MemoryDisk> disk() { return disk_; }
  // Records in a family.
  std::size_t stored_count(kv::Family family) {
    const auto store = kv::open_memory(disk_);
    const auto records = store->iterate(family);
    std::size_t count = 0;
    for (records->seek({}); records->valid(); records->next()) ++count;
    return count;
  }

 private:
  Environment env_;
  TestMetaOptions options_;
  std::shared_ptr<kv::MemoryDisk> disk_;
  std::unique_ptr<StateMachine> state_;
  std::unique_ptr<ImmediateReplica> replica_;
  std::unique_ptr<ReplicatedMetaService> service_;
};

}  // namespace predastore::meta
