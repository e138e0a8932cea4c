#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/job.h"
#include "model/layout.h"

// How jobs, nodes and rings are written in the answers of the administration.
namespace predastore::admin {

boost::json::object job_json(const JobRecord& job);

std::string_view name_of(JobKind kind);
std::string_view name_of(JobState state);
// Of those that an operator starts by name.
std::optional<JobKind> job_kind_of(std::string_view name);
// "3+2". InvalidArgument.
Result<RsConfig> rs_of(std::string_view text);

}  // namespace predastore::admin
