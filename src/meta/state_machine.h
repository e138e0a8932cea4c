#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
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

  using OpenStore = std::function<Result<std::unique_ptr<kv::KeyValueStore>>(kv::RocksOptions)>;
  // The same of a directory, whose state can be replaced and copied then. What a crash left of an
  // install() is brought to its end. Corruption: nothing has changed.
  static Task<Result<std::unique_ptr<StateMachine>>> open_in(Environment env, std::string directory,
                                                             OpenStore open_store);
  // Nothing is applied any more; only of one that was opened with open_in(). What was there is gone
  // durably when it returns.
  Task<Result<void>> clear();

  Task<Result<std::vector<std::string>>> apply(std::vector<raft::CommittedEntry> entries) override;
  std::uint64_t applied_index() const override { return applied_index_; }
  // What a restart would find, at least.
  std::uint64_t durable_index() const override { return durable_index_; }
  Task<Result<raft::StatePoint>> checkpoint(std::string directory) override;
  Task<Result<void>> install(std::string directory) override;
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
  // The applied index and content_hash() of its state; none while that is being replaced.
  // Blocks; for the simulator, where nothing else runs meanwhile.
  std::optional<std::pair<std::uint64_t, std::string>> hash_here();

 private:
  StateMachine(Environment env, std::unique_ptr<kv::KeyValueStore> store);
  Result<void> load();
  // Blocking work on the store, which is replaced when there is none under way.
  template <class Work>
  Task<std::invoke_result_t<Work&>> use(Work work);
  Task<Result<void>> finish_replacing();
  Task<Result<void>> open_store();
  Task<Result<void>> replace(std::string ready);
  Result<std::vector<std::string>> apply_all(const std::vector<raft::CommittedEntry>& entries);
  // By a batch of entries, and not told to anybody before it is written.
  struct Applied {
    std::uint64_t index = 0;
    std::uint64_t term = 0;
    std::uint64_t write_epoch = 0;
    bool is_initialised = false;
    std::uint64_t bytes = 0;
    std::vector<StateHash> hashes{};
  };
  Result<std::string> apply_one(kv::KeyValueStore& store, const raft::CommittedEntry& entry,
                                Applied& applied);
  void publish(const Applied& applied);

  Environment env_;
  std::string directory_;  // empty: the store is all there is
  OpenStore open_store_;
  std::unique_ptr<kv::KeyValueStore> store_;
  std::size_t users_ = 0;
  bool is_replacing_ = false;
  Signal changed_;
  Semaphore writing_;  // apply, checkpoint, install: one at a time
  RingCache rings_;
  StateHashes hashes_;
  std::optional<Error> refusal_;
  std::atomic<std::uint64_t> applied_index_ = 0;
  std::atomic<std::uint64_t> applied_term_ = 0;
  std::atomic<std::uint64_t> durable_index_ = 0;
  std::atomic<std::uint64_t> write_epoch_ = 0;
  std::atomic<bool> is_initialised_ = false;
  std::atomic<std::uint64_t> bytes_since_flush_ = 0;
};

// SHA-256 over every key and value of every family: equal states have equal hashes. Reads
// everything.
Result<std::string> content_hash(kv::KeyValueStore& store);

}  // namespace predastore::meta
