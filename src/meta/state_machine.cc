#include "meta/state_machine.h"

#include <algorithm>

#include "base/codec.h"
#include "digest/crc.h"
#include "digest/hash.h"
#include "kv/checkpoint.h"
#include "meta/queries.h"
#include "meta/state/applier.h"
#include "meta/state/batched_store.h"

namespace predastore::meta {
namespace {

constexpr const char* kReadySuffix = ".ready";  // a state that takes the place of the one before

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
    : env_(env), store_(std::move(store)), changed_(env.clock), writing_(env.clock, 1) {}

Result<std::unique_ptr<StateMachine>> StateMachine::open(Environment env,
                                                         std::unique_ptr<kv::KeyValueStore> store) {
  std::unique_ptr<StateMachine> machine{new StateMachine(env, std::move(store))};
  PREDA_CHECK(machine->load());
  return machine;
}

Task<Result<std::unique_ptr<StateMachine>>> StateMachine::open_in(Environment env,
                                                                  std::string directory,
                                                                  OpenStore open_store) {
  std::unique_ptr<StateMachine> machine{new StateMachine(env, nullptr)};
  machine->directory_ = std::move(directory);
  machine->open_store_ = std::move(open_store);
  PREDA_CO_CHECK(co_await machine->finish_replacing());
  PREDA_CO_CHECK(co_await machine->open_store());
  co_return std::move(machine);
}

Task<Result<void>> StateMachine::open_store() {
  PREDA_CO_CHECK(co_await env_.files.create_directories(directory_));
  auto work = [this]() -> Result<void> {
    kv::RocksOptions options;
    options.path = directory_;
    options.families = family_names();
    options.large_values = kInline;
    PREDA_TRY(store_, open_store_(std::move(options)));
    return load();
  };
  co_return co_await run_blocking(env_.blocking, std::move(work));
}

template <class Work>
Task<std::invoke_result_t<Work&>> StateMachine::use(Work work) {
  while (is_replacing_) co_await changed_.wait();
  if (store_ == nullptr)
    co_return make_error(ErrorCode::Corruption, "the state could not be opened");
  ++users_;
  auto result = co_await run_blocking(env_.blocking, std::move(work));
  if (--users_ == 0) changed_.notify_all();
  co_return std::move(result);
}

// Order of writes: the new state under a name that says that it is whole; the old one goes; the new
// one gets its name. From the first of these names on it is the new one, also after a crash.
Task<Result<void>> StateMachine::replace(std::string ready) {
  PREDA_CO_CHECK(co_await writing_.acquire(1, kNever));
  const SemaphoreHold hold{writing_, 1};
  is_replacing_ = true;
  while (users_ > 0) co_await changed_.wait();
  Result<void> replaced = co_await env_.files.remove_tree(directory_ + kReadySuffix);
  if (replaced) replaced = co_await env_.files.rename(std::move(ready), directory_ + kReadySuffix);
  if (replaced) {
    store_.reset();
    replaced = co_await finish_replacing();
  }
  if (replaced) replaced = co_await open_store();
  is_replacing_ = false;
  changed_.notify_all();
  co_return replaced;
}

Task<Result<void>> StateMachine::finish_replacing() {
  const std::size_t slash = directory_.rfind('/');
  const std::string parent = directory_.substr(0, slash);
  const std::string ready = directory_ + kReadySuffix;
  PREDA_CO_CHECK(co_await env_.files.create_directories(parent));
  PREDA_CO_TRY(const std::vector<std::string> names, co_await env_.files.list(parent));
  if (std::ranges::find(names, ready.substr(slash + 1)) == names.end()) co_return Result<void>{};
  PREDA_CO_CHECK(co_await env_.files.sync_directory(parent));
  PREDA_CO_CHECK(co_await env_.files.remove_tree(directory_));
  PREDA_CO_CHECK(co_await env_.files.sync_directory(parent));
  PREDA_CO_CHECK(co_await env_.files.rename(ready, directory_));
  co_return co_await env_.files.sync_directory(parent);
}

Task<Result<void>> StateMachine::install(std::string directory) {
  if (directory_.empty())
    co_return make_error(ErrorCode::Unsupported, "this state has no directory");
  co_return co_await replace(std::move(directory));
}

Task<Result<void>> StateMachine::clear() {
  if (directory_.empty())
    co_return make_error(ErrorCode::Unsupported, "this state has no directory");
  const std::string empty = directory_ + ".empty";
  PREDA_CO_CHECK(co_await env_.files.remove_tree(empty));
  PREDA_CO_CHECK(co_await env_.files.create_directories(empty));
  co_return co_await replace(empty);
}

Task<Result<raft::StatePoint>> StateMachine::checkpoint(std::string directory) {
  if (directory_.empty())
    co_return make_error(ErrorCode::Unsupported, "this state has no directory");
  PREDA_CO_CHECK(co_await writing_.acquire(1, kNever));
  const SemaphoreHold hold{writing_, 1};
  const raft::StatePoint point{applied_index_, applied_term_};
  auto work = [this, to = std::move(directory)] { return kv::make_checkpoint(*store_, to); };
  PREDA_CO_CHECK(co_await use(std::move(work)));
  co_return point;
}

Result<void> StateMachine::load() {
  StateView view{*store_};
  const pb::System system = State{view, rings_}.system();
  if (view.failure()) return *view.failure();
  applied_index_ = system.applied_index();
  applied_term_ = system.applied_term();
  bytes_since_flush_ = 0;
  durable_index_ = system.applied_index();
  write_epoch_ = system.write_epoch();
  is_initialised_ = !system.cluster_id().empty();
  hashes_.restart(hash_in(system));
  return {};
}

Task<Result<std::vector<std::string>>> StateMachine::apply(
    std::vector<raft::CommittedEntry> entries) {
  PREDA_CO_CHECK(co_await writing_.acquire(1, kNever));
  const SemaphoreHold hold{writing_, 1};
  if (refusal_) co_return *refusal_;
  auto work = [this, held = std::move(entries)] { return apply_all(held); };
  co_return co_await use(std::move(work));
}

// What every entry changed, and that it was applied, in one batch for all of them.
Result<std::vector<std::string>> StateMachine::apply_all(
    const std::vector<raft::CommittedEntry>& entries) {
  BatchedStore batched{*store_};
  Applied applied{.index = applied_index_};
  std::vector<std::string> answers;
  answers.reserve(entries.size());
  Result<void> so_far;
  for (const raft::CommittedEntry& entry : entries) {
    auto answer = apply_one(batched, entry, applied);
    if (!answer) {
      so_far = answer.error();
      break;  // what came before it is applied all the same
    }
    answers.push_back(*std::move(answer));
  }
  PREDA_CHECK(batched.commit());
  publish(applied);
  PREDA_CHECK(so_far);
  return answers;
}

Result<std::string> StateMachine::apply_one(kv::KeyValueStore& store,
                                            const raft::CommittedEntry& entry, Applied& applied) {
  if (entry.index <= applied.index) return std::string{};  // a replay from before the last flush
  StateView view{store};
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
  PREDA_CHECK(store.write(view.batch()));
  applied.hashes.push_back(hash_in(system));
  applied.index = entry.index;
  applied.term = entry.term;
  applied.write_epoch = system.write_epoch();
  applied.is_initialised = !system.cluster_id().empty();
  applied.bytes += entry.command.size();
  return answer;
}

void StateMachine::publish(const Applied& applied) {
  if (applied.hashes.empty()) return;
  for (const StateHash& hash : applied.hashes) hashes_.note(hash);
  applied_index_ = applied.index;
  applied_term_ = applied.term;
  write_epoch_ = applied.write_epoch;
  is_initialised_ = applied.is_initialised;
  bytes_since_flush_ += applied.bytes;
}

Task<Result<std::string>> StateMachine::query(std::string request) {
  if (refusal_) co_return make_error(ErrorCode::Unavailable, refusal_->detail);
  // A change of threads and back costs more than a look at records that are in memory.
  if (!is_replacing_ && store_ != nullptr) {
    if (auto answer = answer_at_once(*store_, rings_, request)) co_return *std::move(answer);
  }
  auto work = [this, held = std::move(request)] { return answer_query(*store_, rings_, held); };
  co_return co_await use(std::move(work));
}

Task<Result<void>> StateMachine::flush() {
  const std::uint64_t index = applied_index_;
  const std::uint64_t bytes = bytes_since_flush_;
  auto work = [this] { return store_->flush(); };
  PREDA_CO_CHECK(co_await use(std::move(work)));
  durable_index_ = std::max<std::uint64_t>(durable_index_, index);
  bytes_since_flush_ -= std::min<std::uint64_t>(bytes, bytes_since_flush_);
  co_return Result<void>{};
}

void StateMachine::refuse(Error error) {
  if (!refusal_) refusal_ = std::move(error);
}

std::optional<std::pair<std::uint64_t, std::string>> StateMachine::hash_here() {
  if (is_replacing_ || store_ == nullptr) return std::nullopt;
  auto hash = content_hash(*store_);
  if (!hash) return std::nullopt;
  return std::pair{applied_index_.load(), *std::move(hash)};
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
