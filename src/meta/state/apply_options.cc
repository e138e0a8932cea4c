#include <algorithm>

#include "meta/state/applier.h"
#include "model/compression.h"
#include "model/limits.h"

namespace predastore::meta {

Applier::Refusable Applier::set_bucket_options(const pb::SetBucketOptions& command) {
  PREDA_TRY(BucketRecord bucket, find_bucket(command.bucket()));
  if (command.has_compression()) {
    if (!is_known_compression(command.compression()))
      return make_error(ErrorCode::InvalidArgument, "a compression that is not known");
    bucket.compression = static_cast<Compression>(command.compression());
  }
  if (command.has_rs()) {
    if (command.data_shards() == 0 || command.data_shards() > kDataShardsMax ||
        command.parity_shards() > kParityShardsMax)
      return make_error(ErrorCode::InvalidArgument, "an RS scheme out of range");
    bucket.rs = {static_cast<std::uint8_t>(command.data_shards()),
                 static_cast<std::uint8_t>(command.parity_shards())};
    const std::size_t nodes = state_.ring_node_count(RingEpoch{system_.ring_epoch()});
    if (nodes < bucket.rs.width())
      return make_error(ErrorCode::Conflict, "the scheme needs " +
                                                 std::to_string(bucket.rs.width()) +
                                                 " nodes, the ring has " + std::to_string(nodes));
  }
  state_.put_bucket(bucket);
  pb::Answer answer;
  *answer.mutable_bucket() = to_message(bucket);
  return answer;
}

Applier::Refusable Applier::set_cluster_options(const pb::SetClusterOptions& command) {
  if (command.has_compression()) {
    if (!is_known_compression(command.compression()) || command.compression() == 0)
      return make_error(ErrorCode::InvalidArgument, "a compression that is not known");
    system_.set_compression(command.compression());
  }
  if (command.has_sweep()) system_.set_is_sweep_off(command.is_sweep_off());
  if (command.has_heal()) system_.set_is_heal_paused(command.is_heal_paused());
  if (command.has_inline()) {
    if (command.inline_max_bytes() > kInlineMaxBytes)
      return make_error(ErrorCode::InvalidArgument, "more than may lie with the metadata");
    system_.mutable_limits()->set_inline_max_bytes(command.inline_max_bytes());
  }
  return pb::Answer{};
}

Applier::Refusable Applier::report_drives(const pb::ReportDrives& command) {
  const NodeId node{command.node()};
  if (node.value() == 0 || command.marks_size() > static_cast<int>(kDrivesMax))
    return make_error(ErrorCode::InvalidArgument, "marks of drives");
  StateView& view = state_.view();
  for (const pb::DriveMark& mark : command.marks()) {
    if (mark.drive().size() != sizeof(DriveId))
      return make_error(ErrorCode::InvalidArgument, "the id of a drive");
    const std::string key = keys::drive_mark(node, DriveId::from(as_bytes(mark.drive())));
    auto stored = view.get_record<pb::StoredDriveMark>(kTopology, key);
    if (!stored) stored.emplace();
    stored->set_drive(mark.drive());
    stored->set_sequence(mark.is_reconciled() ? mark.sequence()
                                              : std::max(stored->sequence(), mark.sequence()));
    stored->set_reported(system_.write_epoch());
    view.put(kTopology, key, encode_record(*std::move(stored)));
  }
  forget_oldest_drives(node);
  return pb::Answer{};
}

// Drives that were taken out or replaced are reported no more; what is kept of them is bounded.
void Applier::forget_oldest_drives(NodeId node) {
  StateView& view = state_.view();
  std::vector<std::pair<std::uint64_t, std::string>> marks;
  {
    const std::string prefix = keys::drive_mark_prefix(node);
    Cursor cursor{view, kTopology};
    for (cursor.seek(prefix); cursor.valid_within(prefix); cursor.next()) {
      const auto mark = view.decode<pb::StoredDriveMark>(cursor.value());
      if (!mark) return;
      marks.emplace_back(mark->reported(), std::string{cursor.key()});
    }
  }
  if (marks.size() <= kDrivesMax) return;
  std::ranges::sort(marks);
  for (std::size_t i = 0; i + kDrivesMax < marks.size(); ++i)
    view.erase(kTopology, std::move(marks[i].second));
}

}  // namespace predastore::meta
