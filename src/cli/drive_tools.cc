// The commands that look at the files of a node that is not running.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "env/host.h"
#include "env/run_task.h"
#include "shard/fsck.h"

namespace predastore::cli {
namespace {

constexpr std::size_t kProblemsShown = 1000;

void print(const std::string& drive, const shard::FsckReport& report) {
  for (const std::string& note : report.notes) fmt::print("{}: note: {}\n", drive, note);
  for (std::size_t i = 0; i < report.problems.size() && i < kProblemsShown; ++i)
    fmt::print("{}: {}\n", drive, report.problems[i]);
  if (report.problems.size() > kProblemsShown)
    fmt::print("{}: and {} more\n", drive, report.problems.size() - kProblemsShown);
  fmt::print("{}: {} files, {} records, {} shards, {} bytes used, {} live{}; {} problems\n", drive,
             report.file_count, report.record_count, report.shard_count, report.used_bytes,
             report.live_bytes, report.is_index_repaired ? ", kv written anew" : "",
             report.problems.size());
}

Task<Result<std::size_t>> check_drives(Environment env, FsckCommand options) {
  const std::string drives = options.data_directory + "/drives";
  PREDA_CO_TRY(const auto names, co_await env.files.list(drives));
  if (names.empty()) co_return make_error(ErrorCode::NotFound, "no drive in " + drives);
  std::size_t problems = 0;
  for (const std::string& name : names) {
    shard::FsckOptions drive;
    drive.directory = drives + "/" + name;
    drive.open_index = kv::open_rocks;
    drive.repair_index = options.repair_kv;
    PREDA_CO_TRY(const shard::FsckReport report,
                 co_await shard::check_drive(env, std::move(drive)));
    print("drive " + name, report);
    problems += report.problems.size();
  }
  co_return problems;
}

}  // namespace

int fsck(const FsckCommand& options) {
  ProductionHost host{2};
  const auto problems = run_until_done(host.loop, check_drives(host.environment(), options));
  if (!problems) {
    const int code = problems.error().code == ErrorCode::NotFound ? kExitNotFound : kExitFailed;
    return fail(code, problems.error().to_string() +
                          " (--data is a node's data directory; the node must not be running)");
  }
  return *problems == 0 ? kExitOk : kExitFailed;
}

int inspect(const std::string& file) {
  ProductionHost host{2};
  const auto text = run_until_done(host.loop, shard::describe_file(host.environment(), file));
  if (!text) {
    const int code = text.error().code == ErrorCode::NotFound ? kExitNotFound : kExitFailed;
    return fail(code, text.error().to_string());
  }
  fmt::print("{}", *text);
  return kExitOk;
}

}  // namespace predastore::cli
