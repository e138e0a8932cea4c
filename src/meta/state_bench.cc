// A replica of the metadata with many objects, on the real disk: what it costs to have it, to start
// it again and to list it. scripts/bench_metadata calls it once for each figure, so that each has a
// process of its own; it prints one line of JSON.
//
//   bench_meta_state fill DIRECTORY OBJECTS (flat|prefixes)   one voter, and its death by _exit
//   bench_meta_state open DIRECTORY                           until it leads and answers a query
//   bench_meta_state list DIRECTORY                           everything under "p/", with "/"
//   bench_meta_state sizes META_DIRECTORY LOG_DIRECTORY       of a node that was stopped
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "env/host.h"
#include "env/run_task.h"
#include "meta/testing/disk_replica.h"
#include "raft/log/entry_log.h"
#include "raft/log/log_format.h"
#include "telemetry/log.h"

namespace predastore::meta {
namespace {

constexpr std::uint64_t kObjectsPerEntry = 250;
constexpr const char* kPrefix = "p/";

double seconds_since(Clock& clock, Instant begun) {
  return std::chrono::duration<double>(clock.now() - begun).count();
}

// "VmRSS", "VmHWM" of this process, in KiB.
long status_kib(const char* name) {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  char line[256];
  long value = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, name, std::strlen(name)) == 0)
      value = std::strtol(line + std::strlen(name) + 1, nullptr, 10);
  }
  (void)std::fclose(file);
  return value;
}

DiskReplica::Options one_voter(std::string directory) {
  DiskReplica::Options options;
  options.directory = std::move(directory);
  options.replica.self = NodeId{1};
  options.replica.voters = {NodeId{1}};
  return options;
}

std::string key_of(std::uint64_t number, bool is_flat) {
  char name[32];
  (void)std::snprintf(name, sizeof name, "%010llu", static_cast<unsigned long long>(number));
  return std::string(kPrefix) + name + (is_flat ? "" : "/object");
}

Task<Result<void>> fill(Environment env, std::string directory, std::uint64_t count, bool is_flat) {
  net::MemoryNetwork network(env);
  PREDA_CO_TRY(const auto replica,
               co_await DiskReplica::open(env, network, one_voter(std::move(directory))));
  PREDA_CO_CHECK(co_await replica->await_leading(30s));
  ObjectFiller filler(env, *replica);
  PREDA_CO_CHECK(co_await filler.begin());
  const Instant begun = env.clock.now();
  for (std::uint64_t at = 0; at < count;) {
    std::vector<pb::Command> commands;
    for (std::uint64_t i = 0; i < kObjectsPerEntry && at < count; ++i, ++at)
      commands.push_back(filler.put_command(key_of(at, is_flat)));
    PREDA_CO_CHECK(co_await filler.propose_all(std::move(commands)));
  }
  std::printf("{\"objects_ps\": %.0f, \"unflushed_bytes\": %llu}\n",
              static_cast<double>(count) / seconds_since(env.clock, begun),
              static_cast<unsigned long long>(replica->state().bytes_since_flush()));
  (void)std::fflush(stdout);
  _exit(0);  // as a kill would have it: what was not flushed is in the log alone
}

Task<Result<void>> open(Environment env, std::string directory) {
  const long before_kib = status_kib("VmRSS");
  const Instant begun = env.clock.now();
  net::MemoryNetwork network(env);
  PREDA_CO_TRY(const auto replica,
               co_await DiskReplica::open(env, network, one_voter(std::move(directory))));
  const double opened_s = seconds_since(env.clock, begun);
  PREDA_CO_CHECK(co_await replica->await_leading(600s));
  // Everything that is in the log has been applied then.
  PREDA_CO_CHECK(co_await replica->replica().read_barrier(env.clock.now() + 600s));
  pb::Query query;
  query.mutable_cluster_state();
  PREDA_CO_TRY(const pb::QueryAnswer answer, co_await replica->query(std::move(query)));
  std::printf(
      "{\"opened_s\": %.3f, \"serves_s\": %.3f, \"objects\": %llu, \"before_kib\": %ld, "
      "\"resident_kib\": %ld, \"peak_kib\": %ld}\n",
      opened_s, seconds_since(env.clock, begun),
      static_cast<unsigned long long>(answer.cluster_state().object_count()), before_kib,
      status_kib("VmRSS"), status_kib("VmHWM"));
  co_await replica->stop();
  co_return Result<void>{};
}

// Pages of 1000, as ListObjectsV2 has them.
Task<Result<std::uint64_t>> list_all(DiskReplica& replica) {
  std::uint64_t listed = 0;
  std::string after;
  for (;;) {
    pb::Query query;
    pb::ListObjects* list = query.mutable_list_objects();
    list->set_bucket(ObjectFiller::kBucket);
    list->set_prefix(kPrefix);
    list->set_delimiter("/");
    list->set_start_after(after);
    list->set_max_entries(1000);
    PREDA_CO_TRY(const pb::QueryAnswer answer, co_await replica.query(std::move(query)));
    const pb::ObjectPage& page = answer.object_page();
    listed += static_cast<std::uint64_t>(page.objects_size() + page.common_prefixes_size());
    if (!page.is_truncated()) co_return listed;
    after = page.next_start_after();
  }
}

Task<Result<void>> list(Environment env, std::string directory) {
  net::MemoryNetwork network(env);
  PREDA_CO_TRY(const auto replica,
               co_await DiskReplica::open(env, network, one_voter(std::move(directory))));
  PREDA_CO_CHECK(co_await replica->await_leading(600s));
  PREDA_CO_CHECK(co_await replica->replica().read_barrier(env.clock.now() + 600s));
  PREDA_CO_CHECK(co_await list_all(*replica));  // so that the second one finds warm caches
  const Instant begun = env.clock.now();
  PREDA_CO_TRY(const std::uint64_t listed, co_await list_all(*replica));
  std::printf("{\"listed\": %llu, \"keys_ps\": %.0f}\n", static_cast<unsigned long long>(listed),
              static_cast<double>(listed) / seconds_since(env.clock, begun));
  co_await replica->stop();
  co_return Result<void>{};
}

Task<Result<std::uint64_t>> bytes_in(FileSystem* files, std::string directory) {
  PREDA_CO_TRY(const std::vector<std::string> names, co_await files->list(directory));
  std::uint64_t bytes = 0;
  for (const std::string& name : names) {
    PREDA_CO_TRY(const auto file, co_await files->open(directory + "/" + name, FileMode{}));
    PREDA_CO_TRY(const std::uint64_t size_bytes, co_await file->size_bytes());
    bytes += size_bytes;
  }
  co_return bytes;
}

Task<Result<void>> sizes(Environment env, std::string directory, std::string log_directory) {
  PREDA_CO_TRY(const auto state,
               co_await StateMachine::open_in(env, directory + "/state", kv::open_rocks));
  const std::string copy = directory + "/sizes.checkpoint";
  PREDA_CO_CHECK(co_await env.files.remove_tree(copy));
  PREDA_CO_CHECK(co_await state->checkpoint(copy));
  PREDA_CO_TRY(const std::uint64_t snapshot_bytes, co_await bytes_in(&env.files, copy));
  PREDA_CO_CHECK(co_await env.files.remove_tree(copy));
  PREDA_CO_TRY(const std::uint64_t state_bytes,
               co_await bytes_in(&env.files, directory + "/state"));
  // What was written to the log since its beginning: files that are gone were full.
  raft::EntryLogOptions options;
  options.directory = log_directory;
  PREDA_CO_TRY(const auto names, co_await env.files.list(log_directory));
  std::uint64_t first = ~std::uint64_t{0};
  for (const std::string& name : names) {
    const auto sequence = raft::log_file_sequence(name);
    if (sequence) first = std::min(first, *sequence);
  }
  PREDA_CO_TRY(const auto log, co_await raft::EntryLog::open(env.files, options));
  const std::uint64_t gone_bytes = first > 1 ? (first - 1) * options.file_size_bytes : 0;
  std::printf("{\"log_written_bytes\": %llu, \"database_bytes\": %llu, \"snapshot_bytes\": %llu}\n",
              static_cast<unsigned long long>(gone_bytes + log->size_bytes()),
              static_cast<unsigned long long>(state_bytes),
              static_cast<unsigned long long>(snapshot_bytes));
  co_return Result<void>{};
}

Task<Result<void>> measure(Environment env, std::vector<std::string> words) {
  if (words.size() == 4 && words[0] == "fill")
    co_return co_await fill(env, words[1], std::strtoull(words[2].c_str(), nullptr, 10),
                            words[3] == "flat");
  if (words.size() == 2 && words[0] == "open") co_return co_await open(env, words[1]);
  if (words.size() == 2 && words[0] == "list") co_return co_await list(env, words[1]);
  if (words.size() == 3 && words[0] == "sizes") co_return co_await sizes(env, words[1], words[2]);
  co_return make_error(ErrorCode::InvalidArgument, "no such measurement");
}

}  // namespace
}  // namespace predastore::meta

int main(int argc, char** argv) {
  using namespace predastore;  // NOLINT: a main
  telemetry::set_log_level(telemetry::LogLevel::warn);
  ProductionHost host{1};
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto done = run_until_done(host.loop, meta::measure(host.metadata_environment(), words));
  if (!done) (void)std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
  return done ? 0 : 1;
}
