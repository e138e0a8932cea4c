#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kv/kv.h"
#include "meta/records.h"
#include "meta/state/ring_cache.h"
#include "meta/state/state.h"

namespace predastore::meta {

inline constexpr std::uint32_t kQueryVersion = 1;
// What one answer may hold; more comes with the next page.
inline constexpr std::uint32_t kPageEntriesMax = 4096;
inline constexpr std::size_t kPageBytesMax = 8u << 20;
inline constexpr std::size_t kLayoutsMax = 32768;

// Answers a serialised pb::Query with a serialised pb::QueryAnswer. An Error is a failure of the
// store. Blocks. Any thread.
Result<std::string> answer_query(kv::KeyValueStore& store, RingCache& rings,
                                 std::string_view request);
// The same of a short query whose records are all in memory, for the loop: none when it is no such
// query, and then the other one answers it.
std::optional<std::string> answer_at_once(kv::KeyValueStore& store, RingCache& rings,
                                          std::string_view request);

// One page each. A bounded scan: what lies below a common prefix is skipped, never read.
void list_objects(State& state, Incarnation incarnation, const pb::ListObjects& query,
                  pb::ObjectPage& page);
pb::UploadPage list_uploads(State& state, Incarnation incarnation, const pb::ListUploads& query);

}  // namespace predastore::meta
