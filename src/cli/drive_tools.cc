// The commands that look at the files of a node that is not running.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "env/host.h"
#include "env/run_task.h"
#include "node/config.h"
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

// Where the drives are and how the node calls them.
struct NodeDrives {
  std::string list_path;
  std::vector<shard::DrivePlace> places;
};

Task<Result<NodeDrives>> find_drives(Environment env, FsckCommand options) {
  NodeDrives found;
  if (!options.config_file.empty()) {
    PREDA_CO_TRY(const std::string text, node::load_text(options.config_file));
    const node::ConfigCheck check = node::check_config(text, options.config_file);
    if (!check.config)
      co_return make_error(ErrorCode::InvalidArgument, check.report(options.config_file));
    found.list_path = node::drive_list_of(*check.config);
    for (const node::DriveEntry& entry : node::drives_of(*check.config))
      found.places.push_back({entry.directory, entry.place});
    co_return found;
  }
  const std::string drives = options.data_directory + "/drives";
  PREDA_CO_TRY(const auto names, co_await env.files.list(drives));
  if (names.empty()) co_return make_error(ErrorCode::NotFound, "no drive in " + drives);
  found.list_path = options.data_directory + "/drives.list";
  for (const std::string& name : names)
    found.places.push_back({drives + "/" + name, "drives/" + name});
  co_return found;
}

Task<Result<std::size_t>> check_drives(Environment env, FsckCommand options) {
  PREDA_CO_TRY(const NodeDrives drives, co_await find_drives(env, options));
  std::vector<shard::PlacedReport> reports;
  std::size_t problems = 0;
  for (const shard::DrivePlace& place : drives.places) {
    shard::FsckOptions drive;
    drive.directory = place.directory;
    drive.open_index = kv::open_rocks;
    drive.repair_index = options.repair_kv;
    const auto report = co_await shard::check_drive(env, std::move(drive));
    reports.push_back({place, std::nullopt});
    if (!report && drives.places.size() == 1) co_return report.error();
    if (!report) {  // the others are looked at all the same
      fmt::print("drive {}: {}\n", place.place, report.error().to_string());
      ++problems;
      continue;
    }
    reports.back().drive = report->drive;
    print("drive " + place.place, *report);
    problems += report->problems.size();
  }
  PREDA_CO_TRY(const auto identities,
               co_await shard::check_identities(env, drives.list_path, std::move(reports)));
  for (const std::string& problem : identities) fmt::print("{}\n", problem);
  co_return problems + identities.size();
}

}  // namespace

int fsck(const FsckCommand& options) {
  ProductionHost host{2};
  const auto problems = run_until_done(host.loop, check_drives(host.environment(), options));
  if (!problems) {
    const int code = problems.error().code == ErrorCode::NotFound          ? kExitNotFound
                     : problems.error().code == ErrorCode::InvalidArgument ? kExitConfig
                                                                           : kExitFailed;
    return fail(code, problems.error().to_string() +
                          " (--data is a node's data directory, --config its file; the node must "
                          "not be running)");
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
