#pragma once

#include "meta/records.h"

// The commands and queries of options and of the work in the background, as messages and back.
namespace predastore::meta {

pb::Command set_bucket_options_command(const BucketOptions& options);
pb::Command set_cluster_options_command(const ClusterOptions& options);
pb::Command report_drives_command(NodeId node, const std::vector<DriveMark>& marks);

pb::Query layouts_of_query(std::vector<std::string> chunk_keys);
Result<NamedLayouts> named_layouts_from(const pb::QueryAnswer& answer);
pb::Query layouts_on_query(NodeId node, std::string after, std::uint32_t scanned_max);
Result<LayoutPage> layout_page_from(const pb::QueryAnswer& answer);
pb::Query drive_marks_query(NodeId node);
Result<std::vector<DriveMark>> drive_marks_from(const pb::QueryAnswer& answer);

// What of a cluster's state is options and limits.
Result<void> read_options(const pb::ClusterStateAnswer& answer, ClusterState& state);

}  // namespace predastore::meta
