#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/environment.h"
#include "kv/kv.h"
#include "meta/state/ring_cache.h"
#include "meta/state_check.h"
#include "raft/replica.h"

namespace predastore::meta {

struct FlushPolicy {
  Duration interval = 30s;
  std::uint64_t bytes = 8u << 20;  // of commands applied since the last flush
};

// The metadata of the cluster as one replica holds it: what the committed entries made of a
// KeyValueStore (opened with family_names(), without a WAL). The applied index is in the batch of
// what it applied, so that a crash leaves the state of some index, never between two; a restart
// applies the log from there. Nothing is durable before flush().
//
// Apply reads nothing but the state and the entry. An entry or command of a version that this build
// does not know is an error, which stops the replica. Used on the loop of `env`; store reads and
// writes run in env.blocking. `env` outlives this.
class StateMachine final : public raft::StateMachine {
 public:
  // Unsupported: the state was written by a newer build. Blocks on the store.
  static Result<std::unique_ptr<StateMachine>> open(Environment env,
                                                    std::unique_ptr<kv::KeyValueStore> store);

  Task<Result<std::vector<std::string>>> apply(std::vector<raft::CommittedEntry> entries) override;
  std::uint64_t applied_index() const override { return applied_index_; }
  // What a restart would find, at least.
  std::uint64_t durable_index() const override { return durable_index_; }
  std::uint64_t write_epoch() const { return write_epoch_; }
  bool is_initialised() const { return is_initialised_; }
  std::uint64_t bytes_since_flush() const { return bytes_since_flush_; }

  // A serialised pb::Query, answered from the state as it is: the caller has passed a read barrier.
  // An Error is a failure of the store, or of this replica; refusals are in the answer.
  Task<Result<std::string>> query(std::string request);

  // What was applied lately, to be compared with other replicas.
  const StateHashes& hashes() const { return hashes_; }
  // Nothing is applied or answered (Unavailable: others can) any more, which stops the replica with
  // its next entry.
  void refuse(Error error);
  bool is_refusing() const { return refusal_.has_value(); }

  // Makes what was applied durable.
  Task<Result<void>> flush();

  kv::KeyValueStore& store() { return *store_; }

 private:
  StateMachine(Environment env, std::unique_ptr<kv::KeyValueStore> store);
  Result<void> load();
  Result<std::vector<std::string>> apply_all(const std::vector<raft::CommittedEntry>& entries);
  Result<std::string> apply_one(const raft::CommittedEntry& entry);

  Environment env_;
  std::unique_ptr<kv::KeyValueStore> store_;
  RingCache rings_;
  StateHashes hashes_;
  std::optional<Error> refusal_;
  std::atomic<std::uint64_t> applied_index_ = 0;
  std::atomic<std::uint64_t> durable_index_ = 0;
  std::atomic<std::uint64_t> write_epoch_ = 0;
  std::atomic<bool> is_initialised_ = false;
  std::atomic<std::uint64_t> bytes_since_flush_ = 0;
};

// SHA-256 over every key and value of every family: equal states have equal hashes. Reads
// everything.
Result<std::string> content_hash(kv::KeyValueStore& store);

}  // namespace predastore::meta
