#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "env/host.h"
#include "env/run_task.h"
#include "kv/memory_store.h"
#include "meta/state/applier.h"
#include "meta/state_machine.h"

namespace predastore::meta {

// A state machine that is given entries by hand, on a disk that can lose power. For tests.
class RawMachine {
 public:
  RawMachine() { open(); }

  void open() {
    machine_.reset();
    auto opened = StateMachine::open(host_.environment(), kv::open_memory(disk_));
    PREDA_ASSERT(opened.has_value());
    machine_ = *std::move(opened);
  }
  // Back to the last flush and `unflushed_kept` entries after it.
  void crash(std::size_t unflushed_kept) {
    machine_.reset();
    disk_->crash(unflushed_kept);
    open();
  }
  void flush() {
    auto flushed = run_until_done(host_.loop, machine_->flush());
    PREDA_ASSERT(flushed.has_value());
  }
  Result<std::string> apply(raft::CommittedEntry entry) {
    std::vector<raft::CommittedEntry> entries;
    entries.push_back(std::move(entry));
    auto answers = run_until_done(host_.loop, machine_->apply(std::move(entries)));
    if (!answers) return std::move(answers).error();
    return std::move(answers->front());
  }
  Result<std::string> apply(const pb::Entry& entry) {
    return apply(raft::CommittedEntry{machine_->applied_index() + 1, 1, entry.SerializeAsString()});
  }
  // One proposal, alone in its entry.
  pb::Answer apply(pb::Command command, std::uint64_t session = 0, std::uint64_t number = 0,
                   std::uint64_t acknowledged = 0) {
    pb::Entry entry;
    entry.set_version(kEntryVersion);
    entry.set_time_ms(time_ms);
    pb::Proposal* proposal = entry.add_proposals();
    proposal->set_session(session);
    proposal->set_number(number);
    proposal->set_acknowledged(acknowledged);
    command.set_version(kCommandVersion);
    *proposal->mutable_command() = std::move(command);
    pb::EntryAnswer answers;
    PREDA_ASSERT(answers.ParseFromString(apply(entry).value()));
    return answers.answers(0);
  }
  void initialise(Limits limits = {}) {
    pb::Command command;
    pb::Initialise* message = command.mutable_initialise();
    message->set_cluster_id(std::string(16, 'c'));
    RingRecord ring;
    ring.epoch = RingEpoch{1};
    for (std::uint32_t i = 0; i < 3; ++i) {
      RingSlot slot;
      slot.slot = SlotId{i};
      slot.node = NodeId{i + 1};
      ring.slots.push_back(slot);
      NodeRecord node;
      node.node = slot.node;
      *message->add_nodes() = to_message(node);
    }
    *message->mutable_ring() = to_message(ring);
    message->mutable_limits()->set_write_epochs(limits.write_epochs);
    message->mutable_limits()->set_garbage_epochs(limits.garbage_epochs);
    message->mutable_limits()->set_session_epochs(limits.session_epochs);
    message->mutable_limits()->set_sessions_max(limits.sessions_max);
    message->mutable_limits()->set_part_size_min_bytes(limits.part_size_min_bytes);
    PREDA_ASSERT(apply(std::move(command)).code() == 0);
  }
  std::uint64_t open_session() {
    pb::Command command;
    command.mutable_open_session();
    return apply(std::move(command)).session();
  }
  pb::Answer tick() {
    pb::Command command;
    command.mutable_tick()->set_from(machine_->write_epoch());
    return apply(std::move(command));
  }
  std::string hash() { return content_hash(machine_->store()).value(); }
  StateMachine& machine() { return *machine_; }

  std::int64_t time_ms = 1'000'000;

 private:
  ProductionHost host_{1};
  std::shared_ptr<kv::MemoryDisk> disk_ = std::make_shared<kv::MemoryDisk>(kFamilyCount);
  std::unique_ptr<StateMachine> machine_;
};

}  // namespace predastore::meta
