#include "meta/records.h"

namespace predastore::meta {

pb::JobProgress to_message(const JobProgress& progress) {
  pb::JobProgress message;
  message.set_cursor(progress.cursor);
  message.set_items_done(progress.items_done);
  message.set_items_seen(progress.items_seen);
  message.set_items_total(progress.items_total);
  message.set_bytes_done(progress.bytes_done);
  message.set_bytes_total(progress.bytes_total);
  message.set_errors(progress.errors);
  message.set_detail(progress.detail);
  return message;
}
JobProgress from_message(const pb::JobProgress& message) {
  JobProgress progress;
  progress.cursor = message.cursor();
  progress.items_done = message.items_done();
  progress.items_seen = message.items_seen();
  progress.items_total = message.items_total();
  progress.bytes_done = message.bytes_done();
  progress.bytes_total = message.bytes_total();
  progress.errors = message.errors();
  progress.detail = message.detail();
  return progress;
}

pb::Job to_message(const JobRecord& record) {
  pb::Job message;
  message.set_version(kRecordVersion);
  message.set_id(record.id.value());
  message.set_kind(static_cast<std::uint32_t>(record.kind));
  message.set_argument(record.argument);
  message.set_state(static_cast<std::uint32_t>(record.state));
  message.set_claim(record.claim);
  message.set_worker(record.worker.value());
  message.set_started_ms(record.started_ms);
  message.set_updated_ms(record.updated_ms);
  *message.mutable_progress() = to_message(record.progress);
  return message;
}
Result<JobRecord> from_message(const pb::Job& message) {
  const auto kind = static_cast<std::uint32_t>(JobKind::rebalance);
  const auto state = static_cast<std::uint32_t>(JobState::cancelled);
  if (message.kind() == 0 || message.kind() > kind || message.state() == 0 ||
      message.state() > state)
    return make_error(ErrorCode::Corruption, "an unknown job");
  JobRecord record;
  record.id = JobId{message.id()};
  record.kind = static_cast<JobKind>(message.kind());
  record.argument = message.argument();
  record.state = static_cast<JobState>(message.state());
  record.claim = message.claim();
  record.worker = NodeId{message.worker()};
  record.started_ms = message.started_ms();
  record.updated_ms = message.updated_ms();
  record.progress = from_message(message.progress());
  return record;
}

}  // namespace predastore::meta
