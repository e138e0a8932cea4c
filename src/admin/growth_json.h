#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "meta/growth.h"
#include "model/job.h"
#include "model/layout.h"

// How jobs, nodes and rings are written in the answers of the administration.
namespace predastore::admin {

boost::json::object job_json(const JobRecord& job);

boost::json::object node_json(const NodeRecord& node, const meta::Topology& topology);
// Slots with the names of their nodes; ring_of() takes it back.
boost::json::object ring_json(const RingRecord& ring, const std::vector<NodeRecord>& nodes);
Result<RingRecord> ring_of(const boost::json::object& object);
boost::json::array epochs_json(const meta::Topology& topology);

std::string_view name_of(JobKind kind);
std::string_view name_of(JobState state);
// Of those that an operator starts by name.
std::optional<JobKind> job_kind_of(std::string_view name);
// "3+2". InvalidArgument.
Result<RsConfig> rs_of(std::string_view text);

}  // namespace predastore::admin
