#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "env/sync.h"
#include "meta/state/applier.h"
#include "meta/state_machine.h"
#include "meta/testing/test_objects.h"
#include "net/memory_transport.h"
#include "raft/replica.h"
#include "ring/ring.h"

namespace predastore::meta {

// A replica of the metadata as a node has it, in a directory of a real disk: RocksDB, a log in
// files, the consensus; on a network in memory. For tests and benchmarks.
class DiskReplica {
 public:
  struct Options {
    std::string directory;
    raft::ReplicaOptions replica;  // `self` and who votes; where its log is, is set here
    // What the log is applied to instead, around the state.
    std::function<std::unique_ptr<raft::StateMachine>(StateMachine&)> around;
  };

  static Task<Result<std::unique_ptr<DiskReplica>>> open(Environment env,
                                                         net::MemoryNetwork& network,
                                                         Options options) {
    std::unique_ptr<DiskReplica> made{new DiskReplica(env)};
    PREDA_CO_TRY(made->state_,
                 co_await StateMachine::open_in(env, options.directory + "/state", kv::open_rocks));
    if (options.around) made->around_ = options.around(*made->state_);
    raft::StateMachine* machine = made->state_.get();
    if (made->around_ != nullptr) machine = made->around_.get();
    made->transport_ = network.endpoint(options.replica.self);
    made->server_ = std::make_unique<rpc::Server>(env, *made->transport_);
    made->client_ = std::make_unique<rpc::Client>(env, *made->transport_);
    options.replica.directory = options.directory + "/raft";
    PREDA_CO_TRY(made->replica_, co_await raft::open_replica(env, options.replica, *made->server_,
                                                             *made->client_, *machine));
    made->tasks_.spawn(made->server_->run());
    made->tasks_.spawn(made->replica_->run());
    co_return std::move(made);
  }
  Task<void> stop() {
    co_await replica_->stop();
    co_await transport_->stop();
    (void)co_await tasks_.join();
  }
  // Unavailable: nobody has led here within that time.
  Task<Result<void>> await_leading(Duration limit) {
    const Instant until = env_.clock.now() + limit;
    while (replica_->status().role != raft::ReplicaRole::leader) {
      if (env_.clock.now() > until) co_return make_error(ErrorCode::Unavailable, "does not lead");
      co_await sleep_for(env_.clock, 5ms);
    }
    co_return Result<void>{};
  }
  Task<Result<pb::QueryAnswer>> query(pb::Query query) {
    query.set_version(1);
    std::string request = query.SerializeAsString();
    PREDA_CO_TRY(const std::string bytes, co_await state_->query(std::move(request)));
    pb::QueryAnswer answer;
    if (!answer.ParseFromString(bytes) || answer.code() != 0)
      co_return make_error(ErrorCode::Internal, "query: " + answer.detail());
    co_return answer;
  }

  StateMachine& state() { return *state_; }
  raft::Replica& replica() { return *replica_; }

 private:
  explicit DiskReplica(Environment env) : env_(env), tasks_(env.executor, env.clock) {}

  Environment env_;
  std::unique_ptr<StateMachine> state_;
  std::unique_ptr<raft::StateMachine> around_;
  std::unique_ptr<net::Transport> transport_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<rpc::Client> client_;
  std::unique_ptr<raft::Replica> replica_;
  TaskGroup tasks_;
};

inline RingRecord ring_of_three() {
  RingRecord ring;
  ring.epoch = RingEpoch{1};
  for (std::uint32_t i = 0; i < 3; ++i) {
    RingSlot slot;
    slot.slot = SlotId{i};
    slot.node = NodeId{i + 1};
    ring.slots.push_back(slot);
  }
  return ring;
}

// A cluster of the nodes 1, 2 and 3.
inline pb::Command initialise_three() {
  pb::Command command;
  pb::Initialise* message = command.mutable_initialise();
  message->set_cluster_id(std::string(16, 'c'));
  *message->mutable_ring() = to_message(ring_of_three());
  for (std::uint64_t id = 1; id <= 3; ++id) {
    NodeRecord node;
    node.node = NodeId{id};
    node.name = "n" + std::to_string(id);
    *message->add_nodes() = to_message(node);
  }
  message->mutable_limits()->set_write_epochs(1440);
  message->mutable_limits()->set_garbage_epochs(2);
  message->mutable_limits()->set_session_epochs(120);
  message->mutable_limits()->set_sessions_max(4096);
  message->mutable_limits()->set_part_size_min_bytes(1);
  return command;
}

// Puts objects into a cluster through the log of its leader, many in an entry, as gateways that are
// busy do; the state is flushed in between, as the duties of a node have it done.
class ObjectFiller {
 public:
  static constexpr const char* kBucket = "b";

  ObjectFiller(Environment env, DiskReplica& leader) : env_(env), leader_(leader) {}

  // A cluster of three nodes, a session, the bucket.
  Task<Result<void>> begin() {
    PREDA_CO_CHECK(co_await propose(initialise_three()));
    pb::Command open;
    open.mutable_open_session();
    PREDA_CO_TRY(const pb::Answer opened, co_await propose(std::move(open)));
    session_ = opened.session();
    pb::Command create;
    bucket_.name = kBucket;
    bucket_.rs = {2, 1};
    bucket_.incarnation = Incarnation{7};
    *create.mutable_create_bucket()->mutable_bucket() = to_message(bucket_);
    PREDA_CO_CHECK(co_await propose(std::move(create)));
    PREDA_CO_TRY(ring_, ring::Ring::make(ring_of_three()));
    co_return Result<void>{};
  }

  Task<Result<pb::Answer>> propose(pb::Command command) {
    std::vector<pb::Command> commands;
    commands.push_back(std::move(command));
    PREDA_CO_TRY(const pb::EntryAnswer answers, co_await propose_all(std::move(commands)));
    co_return answers.answers(0);
  }
  // All in one entry. An error also when one of them was refused.
  Task<Result<pb::EntryAnswer>> propose_all(std::vector<pb::Command> commands) {
    pb::Entry entry;
    entry.set_version(kEntryVersion);
    entry.set_time_ms(1'700'000'000'000);
    const std::uint64_t done = number_;
    for (pb::Command& command : commands) {
      command.set_version(kCommandVersion);
      pb::Proposal* proposal = entry.add_proposals();
      if (session_ != 0) {
        proposal->set_session(session_);
        proposal->set_number(++number_);
        proposal->set_acknowledged(done);
      }
      *proposal->mutable_command() = std::move(command);
    }
    std::string bytes = entry.SerializeAsString();
    PREDA_CO_TRY(const std::string text,
                 co_await leader_.replica().propose(std::move(bytes), env_.clock.now() + 60s));
    pb::EntryAnswer answers;
    if (!answers.ParseFromString(text))
      co_return make_error(ErrorCode::Internal, "an answer that cannot be read");
    for (const pb::Answer& answer : answers.answers()) {
      if (answer.code() != 0) co_return make_error(ErrorCode::Internal, answer.detail());
    }
    if (leader_.state().bytes_since_flush() >= FlushPolicy{}.bytes) {
      PREDA_CO_CHECK(co_await leader_.state().flush());
    }
    co_return answers;
  }

  // In chunks of its own on the ring's nodes, or with its bytes.
  pb::Command put_command(const std::string& key, std::string inline_bytes = {}) {
    ObjectPart part = objects_.part(inline_bytes.empty() ? 100'000 : inline_bytes.size());
    part.chunk_size_bytes = inline_bytes.empty() ? 32u << 20 : 0;
    ObjectRecord record;
    record.etag = to_hex(as_bytes(part.etag_md5));
    record.size_bytes = part.size_bytes;
    record.incarnation = bucket_.incarnation;
    record.headers = {{"content-type", "application/octet-stream"}};
    record.parts.push_back(part);
    pb::Command command;
    pb::PutObject* put = command.mutable_put_object();
    put->set_bucket(kBucket);
    put->set_key(key);
    put->set_write_epoch(leader_.state().write_epoch());
    *put->mutable_object() = to_message(record);
    if (inline_bytes.empty()) {
      *put->add_layouts() = to_message(layout(key, part));
    } else {
      put->set_inline_bytes(std::move(inline_bytes));
    }
    return command;
  }

 private:
  ChunkLayout layout(const std::string& key, const ObjectPart& part) {
    ChunkLayout layout;
    layout.object_id = part.object_id;
    layout.size_bytes = static_cast<std::uint32_t>(part.size_bytes);
    layout.rs = bucket_.rs;
    layout.ring_epoch = RingEpoch{1};
    layout.placement_hash = ring::placement_hash(kBucket, key, ChunkIndex{0});
    layout.generation = Generation{1};
    layout.write_epoch = WriteEpoch{leader_.state().write_epoch()};
    layout.crc64nvme = layout.placement_hash + 1;
    for (const NodeId node : ring_.candidates(layout.placement_hash, 3))
      layout.places.push_back({node, WriteId{layout.placement_hash + 2}, false, true});
    return layout;
  }

  Environment env_;
  DiskReplica& leader_;
  BucketRecord bucket_;
  ring::Ring ring_;
  TestObjects objects_;
  std::uint64_t session_ = 0;
  std::uint64_t number_ = 0;
};

}  // namespace predastore::meta
