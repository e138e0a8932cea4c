#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kv/kv.h"
#include "model/ids.h"

namespace predastore::meta {

// The column families, by index; family_names() gives the names to open a store with. What lies in
// each, and under which keys, is in docs/formats/metadata.md.
enum FamilyIndex : kv::Family {
  kSystem = 0,
  kBuckets,
  kObjects,
  kObjectParts,
  kUploads,
  kParts,
  kCompleted,
  kLayouts,
  kRepair,
  kGarbage,
  kSessions,
  kTopology,
  kInline,
  kFamilyCount,
};
std::vector<std::string> family_names();

namespace keys {

// User text so that bytewise order of the encoding is bytewise order of the text, whatever follows
// it: 00 becomes 00 FF, and 00 01 ends it. escape() leaves the end out, so the encoding of every
// text that begins with `text` begins with escape(text).
std::string escape(std::string_view text);
std::string terminated(std::string_view text);
// Takes an encoded text off the front of `rest`; none when it has no end.
std::optional<std::string> take_terminated(std::string_view& rest);
// The first string after all that begin with `prefix`; empty when there is none.
std::string after_prefix(std::string prefix);

std::string be64(std::uint64_t value);

// objects, object_parts: incarnation, key, version (0: the current one; older ones follow it).
std::string object_prefix(Incarnation incarnation, std::string_view key_prefix);
std::string object(Incarnation incarnation, std::string_view key);
std::optional<std::string> object_name(std::string_view encoded);

// uploads: incarnation, key, upload id.
std::string upload(Incarnation incarnation, std::string_view key, std::string_view upload_id);
// parts: incarnation, upload id, part number.
std::string part_prefix(Incarnation incarnation, std::string_view upload_id);
std::string part(Incarnation incarnation, std::string_view upload_id, PartNumber number);
// completed: by upload, and by the epoch of completion for their expiry.
std::string completed(Incarnation incarnation, std::string_view upload_id);
std::string completed_expiry(WriteEpoch epoch, std::string_view completed_key);

// garbage: entries by id, and the ObjectIDs they hold.
std::string garbage(std::uint64_t id);
std::string released(const ObjectId& object_id);

std::string session(std::uint64_t id);
std::string session_answer(std::uint64_t id, std::uint64_t number);

std::string ring(RingEpoch epoch);
std::string node(NodeId id);
std::string setting(std::string_view name);
std::string drive_mark_prefix(NodeId node);
std::string drive_mark(NodeId node, const DriveId& drive);
std::string deleted_bucket(Incarnation incarnation);  // while there are uploads of it
std::string job(std::uint64_t id);

}  // namespace keys
}  // namespace predastore::meta
