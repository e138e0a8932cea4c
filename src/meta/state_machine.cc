#include "meta/state_machine.h"

#include "base/codec.h"
#include "digest/crc.h"
#include "digest/hash.h"
#include "meta/queries.h"
#include "meta/state/applier.h"

namespace predastore::meta {
namespace {

// Raised whenever another hash comes of the same commands: replicas of different builds cannot be
// compared then, and are not.
constexpr std::uint32_t kStateHashVersion = 1;

StateHash hash_in(const pb::System& system) {
  if (system.state_hash_version() != kStateHashVersion) return {};
  return {system.applied_index(), system.state_hash_since(), system.state_hash()};
}

// With the hash of all that was changed, this record included as it is with the hash before.
void put_hashed(State& state, pb::System& system, std::string_view answer) {
  if (system.state_hash_version() != kStateHashVersion) {
    system.set_state_hash_version(kStateHashVersion);
    system.set_state_hash_since(system.applied_index());
    system.set_state_hash(0);
  }
  state.put_system(system);
  const std::uint64_t answered = digest::crc64nvme(as_bytes(answer), system.state_hash());
  system.set_state_hash(state.view().hash(answered));
  state.put_system(system);
}

}  // namespace

StateMachine::StateMachine(Environment env, std::unique_ptr<kv::KeyValueStore> store)
    : env_(env), store_(std::move(store)) {}

Result<std::unique_ptr<StateMachine>> StateMachine::open(Environment env,
                                                         std::unique_ptr<kv::KeyValueStore> store) {
  std::unique_ptr<StateMachine> machine{new StateMachine(env, std::move(store))};
  PREDA_CHECK(machine->load());
  return machine;
}

Result<void> StateMachine::load() {
  StateView view{*store_};
  const pb::System system = State{view, rings_}.system();
  if (view.failure()) return *view.failure();
  applied_index_ = system.applied_index();
  durable_index_ = system.applied_index();
  write_epoch_ = system.write_epoch();
  is_initialised_ = !system.cluster_id().empty();
  hashes_.restart(hash_in(system));
  return {};
}

Task<Result<std::vector<std::string>>> StateMachine::apply(
    std::vector<raft::CommittedEntry> entries) {
  if (refusal_) co_return *refusal_;
  auto work = [this, held = std::move(entries)] { return apply_all(held); };
  co_return co_await run_blocking(env_.blocking, std::move(work));
}

Result<std::vector<std::string>> StateMachine::apply_all(
    const std::vector<raft::CommittedEntry>& entries) {
  std::vector<std::string> answers;
  answers.reserve(entries.size());
  for (const raft::CommittedEntry& entry : entries) {
    PREDA_TRY(std::string answer, apply_one(entry));
    answers.push_back(std::move(answer));
  }
  return answers;
}

// One batch an entry: what it changed and that it was applied.
Result<std::string> StateMachine::apply_one(const raft::CommittedEntry& entry) {
  if (entry.index <= applied_index_) return std::string{};  // a replay from before the last flush
  StateView view{*store_};
  State state{view, rings_};
  Applier applier{state};
  if (view.failure()) return *view.failure();
  std::string answer;
  // A leader's first entry of a term carries no command.
  if (!entry.command.empty()) {
    PREDA_TRY(answer, applier.apply(entry.command));
  }
  pb::System& system = applier.system();
  system.set_applied_index(entry.index);
  system.set_applied_term(entry.term);
  put_hashed(state, system, answer);
  if (view.failure()) return *view.failure();
  PREDA_CHECK(store_->write(view.batch()));
  hashes_.note(hash_in(system));
  applied_index_ = entry.index;
  write_epoch_ = system.write_epoch();
  is_initialised_ = !system.cluster_id().empty();
  bytes_since_flush_ += entry.command.size();
  return answer;
}

Task<Result<std::string>> StateMachine::query(std::string request) {
  if (refusal_) co_return make_error(ErrorCode::Unavailable, refusal_->detail);
  auto work = [this, held = std::move(request)] { return answer_query(*store_, rings_, held); };
  co_return co_await run_blocking(env_.blocking, std::move(work));
}

Task<Result<void>> StateMachine::flush() {
  const std::uint64_t index = applied_index_;
  const std::uint64_t bytes = bytes_since_flush_;
  auto work = [this] { return store_->flush(); };
  PREDA_CO_CHECK(co_await run_blocking(env_.blocking, std::move(work)));
  durable_index_ = std::max<std::uint64_t>(durable_index_, index);
  bytes_since_flush_ -= bytes;
  co_return Result<void>{};
}

void StateMachine::refuse(Error error) {
  if (!refusal_) refusal_ = std::move(error);
}

Result<std::string> content_hash(kv::KeyValueStore& store) {
  digest::Sha256 hash;
  for (kv::Family family = 0; family < kFamilyCount; ++family) {
    const auto iterator = store.iterate(family);
    for (iterator->seek({}); iterator->valid(); iterator->next()) {
      Encoder record;
      record.le(family).string(iterator->key()).string(iterator->value());
      hash.update(record.str());
    }
    PREDA_CHECK(iterator->status());
  }
  return hash.finish();
}

}  // namespace predastore::meta
