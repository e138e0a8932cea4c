#include "shard/rebuild_log.h"

#include "telemetry/log.h"

namespace predastore::shard {
namespace {

constexpr Duration kBetweenLines = 5s;

}  // namespace

RebuildLog::RebuildLog(Clock& clock, const ShardStoreOptions& options, std::uint64_t files_total)
    : clock_(clock), options_(options), begun_(clock.now()), last_line_(begun_) {
  progress_.drive = options.drive;
  progress_.files_total = files_total;
  tell();
  if (files_total > 0) write_line("begin rebuild of the index");
}

void RebuildLog::file_done(std::uint64_t record_count) {
  ++progress_.files_done;
  progress_.record_count += record_count;
  tell();
  const bool is_last = progress_.files_done == progress_.files_total;
  if (!is_last && clock_.now() - last_line_ < kBetweenLines) return;
  last_line_ = clock_.now();
  write_line(is_last ? "read all files for the index" : "rebuild the index");
}

void RebuildLog::tell() const {
  if (options_.on_rebuild) options_.on_rebuild(progress_);
}

void RebuildLog::write_line(std::string_view event) const {
  const auto elapsed =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - begun_).count();
  telemetry::log_info(event, {{"directory", options_.directory},
                              {"per_cent", progress_.files_total == 0 ? 100 : per_cent(progress_)},
                              {"files_done", progress_.files_done},
                              {"files_total", progress_.files_total},
                              {"records", progress_.record_count},
                              {"elapsed_ms", elapsed}});
}

}  // namespace predastore::shard
