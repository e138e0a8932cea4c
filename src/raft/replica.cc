#include "raft/replica.h"

#include <algorithm>
#include <utility>

#include "raft/identity.h"
#include "raft/voter.h"

namespace predastore::raft {
namespace {

Result<void> check_options(const ReplicaOptions& options) {
  if (!options.voters.empty() &&
      std::ranges::find(options.voters, options.self) == options.voters.end())
    return make_error(ErrorCode::InvalidArgument, "this node is not one of the voters");
  if (options.heartbeat_interval <= Duration::zero() ||
      options.election_timeout < 3 * options.heartbeat_interval)
    return make_error(ErrorCode::InvalidArgument,
                      "the election timeout must be at least three heartbeats");
  if (options.pending_max == 0)
    return make_error(ErrorCode::InvalidArgument, "no proposal could ever wait");
  if (options.snapshot_piece_bytes == 0 || options.snapshot_bytes_per_second == 0)
    return make_error(ErrorCode::InvalidArgument, "no snapshot could ever be fetched");
  return {};
}

// What was applied was committed, and what is committed is in the log of whoever acknowledged it:
// a log or a vote that says less has lost something and would say other things now than before.
Result<void> check_stored(const VoterParts& parts, std::uint64_t applied_index) {
  const TermLog& log = parts.log->terms();
  const std::string& directory = parts.options.directory;
  if (log.last_index() < applied_index)
    return make_error(ErrorCode::Corruption,
                      directory + ": the log ends at " + std::to_string(log.last_index()) +
                          ", before what was applied, " + std::to_string(applied_index));
  if (log.base_index() > applied_index)
    return make_error(ErrorCode::Corruption, directory + ": the log begins after what was applied");
  if (log.last_term() > parts.vote->state().term)
    return make_error(ErrorCode::Corruption, directory + ": the vote is older than the log");
  return {};
}

// A crash while a snapshot took the place of the state (voter_snapshot.cc). Either the state is
// still the old one, and nothing has happened, or it is that of the snapshot, and the log is made
// to follow it. Order of writes: the term, the log; then the file that says that this is to be
// done.
Task<Result<void>> finish_install(FileSystem* files, VoterParts* parts,
                                  std::uint64_t applied_index) {
  const std::string path = installing_file_of(parts->options);
  const auto bytes = co_await read_file(*files, path, 64u << 10);
  if (!bytes && bytes.error().code == ErrorCode::NotFound) co_return Result<void>{};
  if (!bytes) co_return bytes.error();
  PREDA_CO_TRY(const Snapshot snapshot, decode_snapshot(*bytes));
  const TermLog& log = parts->log->terms();
  const bool is_switched = applied_index == snapshot.index;
  const bool is_known =
      log.base_index() >= snapshot.index || log.term_at(snapshot.index) == snapshot.term;
  if (is_switched && !is_known) {
    if (parts->vote->state().term < snapshot.term) {
      PREDA_CO_CHECK(co_await parts->vote->write({snapshot.term, std::nullopt}));
    }
    PREDA_CO_CHECK(
        co_await parts->log->reset_to(snapshot.index, snapshot.term, snapshot.configuration));
  }
  PREDA_CO_CHECK(co_await files->remove(path));
  co_return co_await files->sync_directory(parts->options.directory);
}

class ReplicaHandle final : public Replica {
 public:
  explicit ReplicaHandle(std::shared_ptr<Voter> voter) : voter_(std::move(voter)) {}
  Task<void> run() override { return voter_->run(); }
  Task<void> stop() override { return voter_->stop(); }
  Task<Result<std::string>> propose(std::string command, Instant deadline) override {
    return voter_->propose(std::move(command), deadline);
  }
  Task<Result<std::uint64_t>> read_barrier(Instant deadline) override {
    return voter_->read_barrier(deadline);
  }
  Task<Result<void>> transfer_leadership(NodeId to, Instant deadline) override {
    return voter_->transfer_leadership(to, deadline);
  }
  Task<Result<void>> change_members(MemberChange change, Instant deadline) override {
    return voter_->change_members(change, deadline);
  }
  ReplicaStatus status() const override { return voter_->status(); }
  GroupStatus group() const override { return voter_->group(); }

 private:
  std::shared_ptr<Voter> voter_;
};

Task<void> receive(std::shared_ptr<Voter> voter, rpc::Call call) {
  if (voter == nullptr) co_return;
  co_await voter->receive(std::move(call));
}

Task<void> answer_read_point(std::shared_ptr<Voter> voter, rpc::Call call) {
  if (voter == nullptr) co_return;
  co_await voter->answer_read_point(std::move(call));
}

Task<void> serve_snapshot(std::shared_ptr<Voter> voter, rpc::Call call) {
  if (voter == nullptr) co_return;
  co_await voter->serve_snapshot(std::move(call));
}

}  // namespace

Task<Result<void>> Replica::transfer_leadership(NodeId, Instant) {
  co_return make_error(ErrorCode::Unsupported, "this replica cannot give its place to another");
}

Task<Result<void>> Replica::change_members(MemberChange, Instant) {
  co_return make_error(ErrorCode::Unsupported, "the members of this replica's group are fixed");
}

Task<Result<StatePoint>> StateMachine::checkpoint(std::string) {
  co_return make_error(ErrorCode::Unsupported, "this state cannot be copied");
}

Task<Result<void>> StateMachine::install(std::string) {
  co_return make_error(ErrorCode::Unsupported, "this state cannot be replaced");
}

Task<Result<std::unique_ptr<Replica>>> open_replica(Environment env, ReplicaOptions options,
                                                    rpc::Server& server, rpc::Client& client,
                                                    StateMachine& state_machine) {
  PREDA_CO_CHECK(check_options(options));
  if (options.id == VoterId{}) options.id = first_id_of(options.self);
  VoterParts parts;
  parts.options = options;
  EntryLogOptions log_options;
  log_options.directory = options.directory;
  log_options.file_size_bytes = options.log_file_bytes;
  PREDA_CO_TRY(parts.log, co_await EntryLog::open(env.files, std::move(log_options)));
  PREDA_CO_TRY(parts.vote, co_await VoteFile::open(env.files, options.directory));
  const std::uint64_t applied_index = state_machine.applied_index();
  PREDA_CO_CHECK(co_await finish_install(&env.files, &parts, applied_index));
  PREDA_CO_CHECK(check_stored(parts, applied_index));
  auto voter = std::make_shared<Voter>(env, std::move(parts), client, state_machine);
  // The server may outlive the replica.
  const std::weak_ptr<Voter> weak = voter;
  server.handle(rpc::MessageType::raft,
                [weak](rpc::Call call) { return receive(weak.lock(), std::move(call)); });
  server.handle(rpc::MessageType::read_index,
                [weak](rpc::Call call) { return answer_read_point(weak.lock(), std::move(call)); });
  server.handle(rpc::MessageType::snapshot,
                [weak](rpc::Call call) { return serve_snapshot(weak.lock(), std::move(call)); });
  co_return std::unique_ptr<Replica>(std::make_unique<ReplicaHandle>(std::move(voter)));
}

}  // namespace predastore::raft
