#pragma once

#include "meta/state/state.h"

// The reads of the work that goes on in the background: sweep, reconcile, roll-back.
namespace predastore::meta {

// What is set for buckets that do not say.
Compression default_compression(const pb::System& system);

// Up to which size objects of such a bucket lie with the metadata: 0 unless the voters bear the
// loss of as many nodes as the scheme does.
std::uint32_t inline_max_bytes(State& state, const pb::System& system, RsConfig rs);

Result<pb::QueryAnswer> layouts_of(State& state, const pb::LayoutsOf& query);
Result<pb::QueryAnswer> layouts_on(State& state, const pb::LayoutsOn& query);
Result<pb::QueryAnswer> drive_marks(State& state, const pb::GetDriveMarks& query);

}  // namespace predastore::meta
