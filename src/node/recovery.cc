#include "node/recovery.h"

#include <fmt/format.h>

#include <algorithm>

#include "meta/recovery.h"
#include "meta/state_machine.h"
#include "raft/log/entry_log.h"
#include "raft/log/vote_file.h"

namespace predastore::node {
namespace {

constexpr std::size_t kCopyBytes = 1u << 20;

Task<Result<void>> copy_file(FileSystem* files, std::string from, std::string to) {
  PREDA_CO_TRY(const auto source, co_await files->open(std::move(from), FileMode{}));
  PREDA_CO_TRY(const auto target,
               co_await files->open(std::move(to), FileMode{.write = true, .create = true}));
  std::uint64_t offset = 0;
  for (;;) {
    PREDA_CO_TRY(Buffer bytes, co_await source->read(offset, kCopyBytes));
    if (bytes.empty()) break;
    const std::size_t size_bytes = bytes.size();
    PREDA_CO_CHECK(co_await target->write(offset, std::move(bytes)));
    offset += size_bytes;
  }
  co_return co_await target->sync();
}

Task<Result<void>> copy_directory(FileSystem* files, std::string from, std::string to) {
  PREDA_CO_CHECK(co_await files->remove_tree(to));
  PREDA_CO_CHECK(co_await files->create_directories(to));
  PREDA_CO_TRY(const std::vector<std::string> names, co_await files->list(from));
  for (const std::string& name : names) {
    PREDA_CO_CHECK(co_await copy_file(files, from + "/" + name, to + "/" + name));
  }
  co_return co_await files->sync_directory(to);
}

// The log of the new group's only voter. Its first entry of a term of its own says what has
// happened; a term above all that were, so that nothing of the old group could be taken for it.
Task<Result<std::uint64_t>> begin_group(Environment env, std::string directory,
                                        raft::Configuration configuration,
                                        std::uint64_t applied_index) {
  raft::EntryLogOptions options;
  options.directory = directory;
  PREDA_CO_TRY(const auto log, co_await raft::EntryLog::open(env.files, std::move(options)));
  PREDA_CO_TRY(const auto vote, co_await raft::VoteFile::open(env.files, directory));
  if (log->terms().last_index() < applied_index || log->terms().base_index() > applied_index)
    co_return make_error(ErrorCode::Corruption,
                         directory + ": the log does not belong to the state");
  const std::uint64_t term = std::max(vote->state().term, log->terms().last_term()) + 1;
  PREDA_CO_CHECK(co_await vote->write({term, std::nullopt}));
  PREDA_CO_CHECK(co_await log->force_configuration(std::move(configuration)));
  raft::Entry entry;
  entry.index = log->terms().last_index() + 1;
  entry.term = term;
  entry.command = meta::recovery_entry(env.clock.wall_now());
  const std::uint64_t last_index = entry.index;
  std::vector<raft::Entry> entries;
  entries.push_back(std::move(entry));
  PREDA_CO_CHECK(co_await log->append(std::move(entries)));
  PREDA_CO_CHECK(co_await log->settle());
  co_return last_index;
}

}  // namespace

Task<Result<Recovered>> recover_metadata(Environment env, Config config, OpenKv open_kv) {
  const std::string directory = config.data_dir + "/meta";
  const std::string identity_file = directory + "/replica";
  PREDA_CO_TRY(const auto old, co_await raft::load_identity(env.files, identity_file));
  if (!old) co_return make_error(ErrorCode::NotFound, directory + ": there is no replica here");
  if (old->cluster != config.cluster_id)
    co_return make_error(ErrorCode::InvalidArgument, directory + ": it is of another cluster");
  Recovered recovered;
  {  // Whoever has the state open is running.
    PREDA_CO_TRY(const auto state, co_await meta::StateMachine::open_in(env, directory + "/state",
                                                                        std::move(open_kv)));
    recovered.applied_index = state->applied_index();
  }
  raft::ReplicaIdentity& fresh = recovered.identity;
  fresh.cluster = config.cluster_id;
  while (fresh.group == 0 || fresh.group == old->group) fresh.group = env.random.next_u64();
  while (fresh.id == raft::VoterId{}) fresh.id = raft::VoterId{env.random.next_u64()};
  const std::string from = raft_directory_of(directory, *old);
  const std::string to = raft_directory_of(directory, fresh);
  PREDA_CO_CHECK(co_await copy_directory(&env.files, from, to));
  PREDA_CO_CHECK(co_await env.files.sync_directory(directory));
  raft::Configuration alone = raft::configuration_of({{fresh.id, config.node_id, true}});
  PREDA_CO_TRY(recovered.last_index,
               co_await begin_group(env, to, std::move(alone), recovered.applied_index));
  PREDA_CO_CHECK(co_await raft::store_identity(env.files, identity_file, fresh));
  PREDA_CO_CHECK(co_await env.files.remove_tree(from));
  PREDA_CO_CHECK(co_await env.files.remove_tree(from + ".checkpoint"));
  PREDA_CO_CHECK(co_await env.files.remove_tree(from + ".fetched"));
  PREDA_CO_CHECK(co_await env.files.sync_directory(directory));
  co_return recovered;
}

}  // namespace predastore::node
