#include <utility>

#include "raft/snapshot_messages.h"
#include "raft/voter.h"
#include "telemetry/log.h"

// A state that comes from another replica in place of a log that is not there any more.
//
// Order of writes: the files of the snapshot, all of them durable; what is about to be done
// (`installing`); the state, by one rename; the term and the log's new beginning; and then
// `installing` goes. A crash before the rename leaves the old state and the old log; after it
// open_replica() makes the log follow. Term, vote and id stay what they are.
namespace predastore::raft {
namespace {

constexpr Duration kFetchAgainAfter = 1s;

}  // namespace

Task<void> Voter::serve_snapshot(rpc::Call call) {
  if (is_stopping_ || !is_running_) co_return;
  ++calls_;
  co_await source_.serve(std::move(call));
  if (--calls_ == 0) idle_.notify_all();
}

std::optional<Snapshot> Voter::describe(StatePoint point) const {
  const TermLog& log = core_.log();
  if (point.index == 0 || point.index < log.base_index() || point.index > core_.commit_index())
    return std::nullopt;
  const StoredConfiguration& configuration = core_.configuration_at(point.index);
  if (configuration.configuration.members.empty()) return std::nullopt;
  return Snapshot{point.index, point.term, configuration};
}

Task<void> Voter::fetch_snapshot(NeededSnapshot needed) {
  const auto from = node_of(needed.from);
  Result<FetchedSnapshot> fetched = make_error(ErrorCode::Unavailable, "nobody has it");
  if (from.has_value()) {
    telemetry::log_info(
        "fetch a snapshot of the state",
        {{"node", options_.self.value()}, {"from", from->value()}, {"index", needed.index}});
    fetched = co_await fetch_.run(*from, needed.index);
  }
  if (is_stopping_) co_return;
  if (fetched.has_value()) {
    fetched_ = std::move(*fetched);
    apply_wanted_.notify_all();
    co_return;
  }
  telemetry::log_warn("could not fetch a snapshot; it goes on later",
                      {{"node", options_.self.value()}, {"error", fetched.error().to_string()}});
  const Instant again_at = env_.clock.now() + kFetchAgainAfter;
  while (!is_stopping_ && env_.clock.now() < again_at)
    (void)co_await stopping_.wait_until(again_at);
  is_fetching_ = false;
}

// In the applier's turn: nothing is applied meanwhile. What the core commits while the state is
// replaced is applied after it.
Task<Result<void>> Voter::install_fetched() {
  const FetchedSnapshot fetched = *std::exchange(fetched_, std::nullopt);
  const Snapshot& snapshot = fetched.snapshot;
  const std::string path = installing_file_of(options_);
  const bool is_needed = snapshot.index > applied_ && snapshot.index > core_.commit_index() &&
                         core_.role() != ReplicaRole::leader;
  if (is_needed) {
    Buffer bytes = Buffer::take(encode_snapshot(snapshot));
    PREDA_CO_CHECK(co_await write_file_durably(env_.files, path, std::move(bytes)));
    is_install_pending_ = true;
    PREDA_CO_CHECK(co_await state_machine_.install(fetched.directory));
    if (state_machine_.applied_index() != snapshot.index)
      co_return make_error(ErrorCode::Corruption, "the snapshot is not what its description says");
    if (is_stopping_) co_return Result<void>{};
    applied_ = snapshot.index;
    (void)core_.install(snapshot, env_.clock.now());
    const bool is_reset = core_.log().base_index() == snapshot.index;
    telemetry::log_info("the state came from a snapshot",
                        {{"node", options_.self.value()}, {"index", snapshot.index}});
    pump();
    applied_changed_.notify_all();
    if (!is_reset) {
      PREDA_CO_CHECK(co_await end_install());
    }
  }
  PREDA_CO_CHECK(co_await fetch_.discard());
  is_fetching_ = false;
  co_return Result<void>{};
}

Task<Result<void>> Voter::end_install() {
  if (!is_install_pending_) co_return Result<void>{};
  PREDA_CO_CHECK(co_await env_.files.remove(installing_file_of(options_)));
  PREDA_CO_CHECK(co_await env_.files.sync_directory(options_.directory));
  is_install_pending_ = false;
  co_return Result<void>{};
}

}  // namespace predastore::raft
