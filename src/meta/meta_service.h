#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "env/clock.h"
#include "env/task.h"
#include "model/layout.h"

namespace predastore::meta {

// Where the tags of an object are among its headers.
inline constexpr const char* kTaggingHeader = "x-amz-tagging";

// Decided in apply, on the replicated state. `etag` without quotes.
struct Precondition {
  std::optional<std::string> if_match;  // an etag or "*"
  bool if_none_match_any = false;       // If-None-Match: *
};

struct PutObject {
  std::string bucket;
  std::string key;
  ObjectRecord record;               // last_modified_ms is set by the leader
  std::vector<ChunkLayout> layouts;  // every chunk of every part; generation 1
  WriteEpoch write_epoch;            // taken before the first shard was written
  Precondition precondition;
  std::string inline_bytes;  // all of an object whose only part is inline; then no layouts
};
struct PutPart {
  std::string bucket;
  std::string key;
  std::string upload_id;
  Incarnation incarnation;
  ObjectPart part;
  std::vector<ChunkLayout> layouts;
  WriteEpoch write_epoch;
};
struct PartRecord {
  ObjectPart part;
  std::int64_t last_modified_ms = 0;
};
struct UploadRecord {
  std::string bucket;
  std::string key;
  std::string upload_id;
  std::int64_t initiated_ms = 0;
  Incarnation incarnation;
  std::map<std::string, std::string> headers;
  std::map<std::string, std::string> user_metadata;
  ChecksumAlgorithm checksum_algorithm = ChecksumAlgorithm::none;
  ChecksumType checksum_type = ChecksumType::full_object;
  friend bool operator==(const UploadRecord&, const UploadRecord&) = default;
};
struct CompletePart {
  PartNumber part_number;
  std::string etag;  // without quotes
};
struct CompleteUpload {
  std::string bucket;
  std::string key;
  std::string upload_id;
  Incarnation incarnation;
  std::vector<CompletePart> parts;  // ascending; checked in apply against what is stored
  ObjectChecksum checksum;  // of the whole, as computed by the caller from the parts; may be none
  Precondition precondition;
};

// What a rename asks of the source, or of the object that has the new name. Entity tags without
// quotes, or "*".
struct RenameCondition {
  std::vector<std::string> if_match;
  std::vector<std::string> if_none_match;
  std::optional<std::int64_t> modified_since_s;
  std::optional<std::int64_t> unmodified_since_s;
};
struct RenameObject {
  std::string bucket;
  std::string source;
  std::string key;
  RenameCondition source_condition;
  RenameCondition condition;
  std::string client_token;  // not empty: the same rename under it is done once
};

struct SettingChange {
  std::string name;
  std::optional<std::string> expected;  // what it is now; none: it is not there
  std::optional<std::string> value;     // none: it is taken away
};
struct SettingPage {
  std::vector<std::pair<std::string, std::string>> settings;  // name and value, in order of names
  bool is_truncated = false;
};

struct ListQuery {
  std::string bucket;
  std::string prefix;
  std::string delimiter;
  std::string start_after;  // keys (and whole common prefixes) after this
  std::uint32_t max_entries = 1000;
};
struct ListedObject {
  std::string key;
  ObjectRecord record;  // parts left out
};
struct ListPage {
  std::vector<ListedObject> objects;  // in order of UTF-8 bytes
  std::vector<std::string> common_prefixes;
  bool is_truncated = false;
  std::string next_start_after;  // pass as start_after for the next page
};
struct ListUploadsQuery {
  std::string bucket;
  std::string prefix;
  std::string delimiter;
  std::string key_marker;
  std::string upload_id_marker;
  std::uint32_t max_entries = 1000;
};
struct ListUploadsPage {
  std::vector<UploadRecord> uploads;
  std::vector<std::string> common_prefixes;
  bool is_truncated = false;
  std::string next_key_marker;
  std::string next_upload_id_marker;
};
struct ListPartsPage {
  UploadRecord upload;
  std::vector<PartRecord> parts;
  bool is_truncated = false;
};

struct ObjectAndLayouts {
  ObjectRecord record;
  std::vector<ChunkLayout> layouts;  // asked for: those of chunks overlapping the range; in order
  bool is_truncated = false;         // there were more than an answer holds: ask from there on
  std::string inline_bytes;  // all of them, when the object is inline and any were asked for
};

// What a writer needs before it starts: fetched from the leader's state, cached for a moment by the
// client.
struct WriteContext {
  BucketRecord bucket;
  RingRecord ring;  // current epoch
  WriteEpoch write_epoch;
  Compression compression = Compression::none;  // the bucket's, or the cluster's
  // Objects up to this size go with the metadata. 0: none, for the voters bear the loss of fewer
  // nodes than the bucket's scheme.
  std::uint32_t inline_max_bytes = 0;
};

// A chunk with missing or damaged roles, from the repair queue.
struct RepairItem {
  ChunkLayout layout;
  std::vector<ShardRole> damaged;  // reported; not known to be lost, and not missing in the layout
};
// Shards to delete: of each layout the stored, not missing places, by its generation. A large entry
// comes in several items, one after the other is done.
struct GarbageItem {
  std::uint64_t id = 0;
  std::vector<ChunkLayout> layouts;
  WriteEpoch since;
};
// Replaces the layout of which `layout` is the next generation: another one in its place is a
// Conflict. Shards rebuilt for it are stamped with that generation. What the chunk is (size, RS,
// checksum, placement hash) must be the same. A chunk without missing roles leaves the repair
// queue; a copy left on a node that a role moved away from becomes garbage. `layout.write_epoch` is
// set from `write_epoch`.
struct SwapLayout {
  ChunkLayout layout;
  WriteEpoch write_epoch;
};

// Only what is given changes.
struct BucketOptions {
  std::string bucket;
  std::optional<Compression> compression;
  std::optional<RsConfig> rs;
};
struct ClusterOptions {
  std::optional<Compression> compression;  // of buckets that do not say
  std::optional<bool> is_sweep_off;
  std::optional<bool> is_heal_paused;
  std::optional<std::uint32_t> inline_max_bytes;  // at most kInlineMaxBytes; 0: none
};

// What many chunks are at one read point, and what the sweep goes by.
struct NamedLayouts {
  std::vector<ChunkLayout> layouts;  // of the keys that have one, in order; those of garbage, too
  WriteEpoch write_epoch;
  std::uint64_t write_epochs = 0;  // G
  bool is_sweep_off = true;
};
// Layouts that name a node, of a piece of the table.
struct LayoutPage {
  std::vector<ChunkLayout> layouts;
  std::string next_after;  // ask from there on; empty: that was all
};
// How far a drive was, once.
struct DriveMark {
  DriveId drive;
  std::uint64_t sequence = 0;  // of its highest durable decision
  bool is_reconciled = false;  // in a report: this is how far it is now, though it was further
};
inline constexpr std::size_t kLayoutsOfMax = 4096;  // keys of one layouts_of
inline constexpr std::size_t kDrivesMax = 64;       // marks kept of one node

struct ClusterState {
  ClusterId cluster_id;
  std::vector<NodeRecord> nodes;
  RingRecord ring;
  WriteEpoch write_epoch;
  std::uint64_t object_count = 0;
  std::uint64_t repair_pending = 0;
  std::uint64_t garbage_pending = 0;
  std::uint64_t write_epochs = 0;    // G
  std::uint64_t garbage_epochs = 0;  // G'
  Compression compression = Compression::none;
  bool is_sweep_off = false;
  bool is_heal_paused = false;
  std::uint32_t inline_max_bytes = 0;
  // Departed ones: which chunks have lost a shard with them is not known in full yet.
  std::set<NodeId> unsettled_nodes;
};

// The metadata of the cluster. Every write returns after its command was committed by a majority
// and applied; every read is linearizable. Errors of writes: Conflict (precondition, detail
// "If-Match" or "If-None-Match"), NotFound (detail "bucket" or "upload" or "key" or "part"),
// AlreadyExists, InvalidArgument (detail "part order" or "part too small" where it is the client's
// list of parts), StaleEpoch (detail "write epoch" or "ring epoch"), Unavailable (nothing happened,
// come again: SlowDown or no leader), TimedOut and Internal (outcome unknown). If-Match on a key
// that is not there is NotFound "key". Used on one loop.
class MetaService {
 public:
  virtual ~MetaService() = default;
  virtual Task<Result<BucketRecord>> create_bucket(BucketRecord bucket,
                                                   Instant deadline) = 0;  // AlreadyExists
  virtual Task<Result<void>> delete_bucket(
      std::string bucket, Instant deadline) = 0;  // Conflict: it has objects. Uploads are aborted.
  virtual Task<Result<BucketRecord>> get_bucket(std::string bucket, Instant deadline) = 0;
  virtual Task<Result<std::vector<BucketRecord>>> list_buckets(Instant deadline) = 0;
  virtual Task<Result<WriteContext>> write_context(std::string bucket, Instant deadline) = 0;

  virtual Task<Result<ObjectRecord>> put_object(PutObject command,
                                                Instant deadline) = 0;  // as stored, with its time
  // Chunks that overlap [first_byte, last_byte] of the object; the whole record always.
  virtual Task<Result<ObjectAndLayouts>> get_object(std::string bucket, std::string key,
                                                    std::uint64_t first_byte,
                                                    std::uint64_t last_byte, Instant deadline) = 0;
  // Whether each key existed does not matter. One command for all of them.
  virtual Task<Result<void>> delete_objects(std::string bucket, std::vector<std::string> keys,
                                            Precondition precondition, Instant deadline) = 0;
  // The tags of an object, in the form of x-amz-tagging and kept as headers[kTaggingHeader]; empty
  // takes them away. Nothing else of the object changes.
  virtual Task<Result<void>> set_tagging(std::string bucket, std::string key, std::string tagging,
                                         Instant deadline) = 0;
  // The object gets another name, and nothing else of it changes; what had that name is replaced.
  // NotFound "key": there is no source. Conflict: a condition, which the detail names.
  // InvalidArgument "client token": it stood for another rename.
  virtual Task<Result<void>> rename_object(RenameObject /*command*/, Instant /*deadline*/) {
    co_return make_error(ErrorCode::Unsupported, "rename_object");
  }
  virtual Task<Result<ListPage>> list_objects(ListQuery query, Instant deadline) = 0;

  virtual Task<Result<UploadRecord>> create_upload(
      UploadRecord upload, Instant deadline) = 0;  // id and time are set by the service
  virtual Task<Result<UploadRecord>> get_upload(std::string bucket, std::string key,
                                                std::string upload_id, Instant deadline) = 0;
  virtual Task<Result<PartRecord>> put_part(PutPart command, Instant deadline) = 0;
  virtual Task<Result<ListPartsPage>> list_parts(std::string bucket, std::string key,
                                                 std::string upload_id, std::uint32_t after_part,
                                                 std::uint32_t max_entries, Instant deadline) = 0;
  // Idempotent: the same request about an upload that was completed gets the same answer, which
  // leaves the parts out.
  virtual Task<Result<ObjectRecord>> complete_upload(CompleteUpload command, Instant deadline) = 0;
  virtual Task<Result<void>> abort_upload(std::string bucket, std::string key,
                                          std::string upload_id, Instant deadline) = 0;
  virtual Task<Result<ListUploadsPage>> list_uploads(ListUploadsQuery query, Instant deadline) = 0;

  virtual Task<Result<std::vector<ChunkLayout>>> layouts_after(std::string chunk_key_after,
                                                               std::uint32_t max_entries,
                                                               Instant deadline) = 0;
  virtual Task<Result<ChunkLayout>> get_layout(ObjectId object_id, ChunkIndex chunk_index,
                                               Instant deadline) = 0;
  // At one read point; at most kLayoutsOfMax keys (chunk_key()).
  virtual Task<Result<NamedLayouts>> layouts_of(std::vector<std::string> /*chunk_keys*/,
                                                Instant /*deadline*/) {
    co_return make_error(ErrorCode::Unsupported, "layouts_of");
  }
  // Of the next `scanned_max` layouts after a chunk key those that name the node.
  virtual Task<Result<LayoutPage>> layouts_on(NodeId /*node*/, std::string /*after*/,
                                              std::uint32_t /*scanned_max*/, Instant /*deadline*/) {
    co_return make_error(ErrorCode::Unsupported, "layouts_on");
  }
  virtual Task<Result<void>> report_damage(
      std::vector<ShardKey> shards, Instant deadline) = 0;  // into the repair queue, deduplicated
  virtual Task<Result<std::vector<RepairItem>>> repair_queue(std::uint32_t max_entries,
                                                             Instant deadline) = 0;
  // The queue from behind a chunk key on (chunk_key() of the last item), so that what cannot be
  // repaired now does not hide the rest.
  virtual Task<Result<std::vector<RepairItem>>> repair_queue_after(std::string /*chunk_key_after*/,
                                                                   std::uint32_t /*max_entries*/,
                                                                   Instant /*deadline*/) {
    co_return make_error(ErrorCode::Unsupported, "repair_queue_after");
  }
  virtual Task<Result<void>> swap_layout(SwapLayout command,
                                         Instant deadline) = 0;  // Conflict: generation moved on
  virtual Task<Result<std::vector<GarbageItem>>> garbage_queue(
      std::uint32_t max_entries, Instant deadline) = 0;  // old enough ones only
  virtual Task<Result<void>> garbage_done(std::vector<std::uint64_t> ids, Instant deadline) = 0;
  virtual Task<Result<ClusterState>> cluster_state(Instant deadline) = 0;
  virtual Task<Result<RingRecord>> ring(RingEpoch epoch, Instant deadline) = 0;

  // Answer with how it is then. NotFound "bucket"; Conflict: the ring has fewer nodes than the
  // scheme needs.
  virtual Task<Result<BucketRecord>> set_bucket_options(BucketOptions /*options*/,
                                                        Instant /*deadline*/) {
    co_return make_error(ErrorCode::Unsupported, "set_bucket_options");
  }
  virtual Task<Result<void>> set_cluster_options(ClusterOptions /*options*/, Instant /*deadline*/) {
    co_return make_error(ErrorCode::Unsupported, "set_cluster_options");
  }
  // Marks only grow, but for a drive that was reconciled. At most kDrivesMax are kept of a node,
  // the latest ones.
  virtual Task<Result<void>> report_drives(NodeId /*node*/, std::vector<DriveMark> /*marks*/,
                                           Instant /*deadline*/) {
    co_return make_error(ErrorCode::Unsupported, "report_drives");
  }
  virtual Task<Result<std::vector<DriveMark>>> drive_marks(NodeId /*node*/, Instant /*deadline*/) {
    co_return make_error(ErrorCode::Unsupported, "drive_marks");
  }

  // Small named values (access keys): replicated, compared by nobody.
  virtual Task<Result<void>> put_setting(std::string name, std::string value, Instant deadline) = 0;
  virtual Task<Result<std::optional<std::string>>> get_setting(std::string name,
                                                               Instant deadline) = 0;
  // Conflict when it is not what is expected.
  virtual Task<Result<void>> change_setting(SettingChange /*change*/, Instant /*deadline*/) {
    co_return make_error(ErrorCode::Unsupported, "change_setting");
  }
  virtual Task<Result<SettingPage>> list_settings(std::string /*prefix*/, std::string /*after*/,
                                                  std::uint32_t /*max_entries*/,
                                                  Instant /*deadline*/) {
    co_return make_error(ErrorCode::Unsupported, "list_settings");
  }
};

}  // namespace predastore::meta
