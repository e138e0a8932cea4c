#include "meta/upkeep_calls.h"

namespace predastore::meta {

pb::Command set_bucket_options_command(const BucketOptions& options) {
  pb::Command command;
  pb::SetBucketOptions* message = command.mutable_set_bucket_options();
  message->set_bucket(options.bucket);
  message->set_has_compression(options.compression.has_value());
  if (options.compression)
    message->set_compression(static_cast<std::uint32_t>(*options.compression));
  message->set_has_rs(options.rs.has_value());
  if (options.rs) {
    message->set_data_shards(options.rs->data_shards);
    message->set_parity_shards(options.rs->parity_shards);
  }
  return command;
}

pb::Command set_cluster_options_command(const ClusterOptions& options) {
  pb::Command command;
  pb::SetClusterOptions* message = command.mutable_set_cluster_options();
  message->set_has_compression(options.compression.has_value());
  if (options.compression)
    message->set_compression(static_cast<std::uint32_t>(*options.compression));
  message->set_has_sweep(options.is_sweep_off.has_value());
  message->set_is_sweep_off(options.is_sweep_off.value_or(false));
  message->set_has_heal(options.is_heal_paused.has_value());
  message->set_is_heal_paused(options.is_heal_paused.value_or(false));
  message->set_has_inline(options.inline_max_bytes.has_value());
  message->set_inline_max_bytes(options.inline_max_bytes.value_or(0));
  return command;
}

pb::Command report_drives_command(NodeId node, const std::vector<DriveMark>& marks) {
  pb::Command command;
  pb::ReportDrives* message = command.mutable_report_drives();
  message->set_node(node.value());
  for (const DriveMark& mark : marks) {
    pb::DriveMark* out = message->add_marks();
    out->set_drive(std::string{as_text(mark.drive.span())});
    out->set_sequence(mark.sequence);
    out->set_is_reconciled(mark.is_reconciled);
  }
  return command;
}

pb::Query layouts_of_query(std::vector<std::string> chunk_keys) {
  pb::Query query;
  pb::LayoutsOf* message = query.mutable_layouts_of();
  for (std::string& key : chunk_keys) message->add_chunk_keys(std::move(key));
  return query;
}

Result<NamedLayouts> named_layouts_from(const pb::QueryAnswer& answer) {
  const pb::NamedLayouts& found = answer.named_layouts();
  NamedLayouts named;
  for (const pb::Layout& layout : found.layouts()) {
    PREDA_TRY(ChunkLayout decoded, from_message(layout));
    named.layouts.push_back(std::move(decoded));
  }
  // An answer that says nothing must not look like one that says that nothing is named.
  if (found.write_epoch() == 0 || found.write_epochs() == 0)
    return make_error(ErrorCode::Internal, "an answer without what was asked for");
  named.write_epoch = WriteEpoch{found.write_epoch()};
  named.write_epochs = found.write_epochs();
  named.is_sweep_off = found.is_sweep_off();
  return named;
}

pb::Query layouts_on_query(NodeId node, std::string after, std::uint32_t scanned_max) {
  pb::Query query;
  pb::LayoutsOn* message = query.mutable_layouts_on();
  message->set_node(node.value());
  message->set_after(std::move(after));
  message->set_scanned_max(scanned_max);
  return query;
}

Result<LayoutPage> layout_page_from(const pb::QueryAnswer& answer) {
  LayoutPage page;
  for (const pb::Layout& layout : answer.layout_page().layouts()) {
    PREDA_TRY(ChunkLayout decoded, from_message(layout));
    page.layouts.push_back(std::move(decoded));
  }
  page.next_after = answer.layout_page().next_after();
  return page;
}

pb::Query drive_marks_query(NodeId node) {
  pb::Query query;
  query.mutable_drive_marks()->set_node(node.value());
  return query;
}

Result<std::vector<DriveMark>> drive_marks_from(const pb::QueryAnswer& answer) {
  std::vector<DriveMark> marks;
  for (const pb::StoredDriveMark& found : answer.drive_marks().marks()) {
    if (found.drive().size() != sizeof(DriveId))
      return make_error(ErrorCode::Corruption, "the id of a drive");
    DriveMark& mark = marks.emplace_back();
    mark.drive = DriveId::from(as_bytes(found.drive()));
    mark.sequence = found.sequence();
  }
  return marks;
}

Result<void> read_options(const pb::ClusterStateAnswer& answer, ClusterState& state) {
  state.write_epochs = answer.write_epochs();
  state.garbage_epochs = answer.garbage_epochs();
  PREDA_TRY(state.compression, compression_from(answer.compression()));
  state.is_sweep_off = answer.is_sweep_off();
  state.is_heal_paused = answer.is_heal_paused();
  state.inline_max_bytes = answer.inline_max_bytes();
  return {};
}

}  // namespace predastore::meta
