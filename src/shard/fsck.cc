#include "shard/fsck.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "env/blocking.h"
#include "kv/memory_store.h"
#include "segment/codec.h"
#include "shard/file_usage.h"
#include "shard/index_replay.h"
#include "shard/recovery.h"

namespace predastore::shard {
namespace {

using segment::RecordHeader;
using segment::RecordKind;

std::string describe(const ShardKey& key) {
  return fmt::format("{} chunk {} role {}", to_hex(key.object_id.span()), key.chunk_index.value(),
                     key.role.value());
}

bool is_same(const IndexEntry& a, const IndexEntry& b) {
  return a.stamp.write_id == b.stamp.write_id && a.stamp.generation == b.stamp.generation &&
         a.stamp.write_epoch == b.stamp.write_epoch && a.stamp.incarnation == b.stamp.incarnation &&
         a.sequence == b.sequence && a.commit_file_id == b.commit_file_id &&
         a.segment_count == b.segment_count && a.logical_size_bytes == b.logical_size_bytes &&
         a.commit_crc32 == b.commit_crc32 && a.extents == b.extents;
}

std::string_view name_of(RecordKind kind) {
  switch (kind) {
    case RecordKind::segment: return "segment";
    case RecordKind::commit: return "commit";
    case RecordKind::tombstone: return "tombstone";
  }
  return "unknown";
}

class DriveCheck {
 public:
  DriveCheck(Environment env, FsckOptions options)
      : env_(env),
        options_(std::move(options)),
        from_files_(kv::open_memory(std::make_shared<kv::MemoryDisk>(4))) {}

  Task<Result<FsckReport>> run() {
    PREDA_CO_TRY(const auto names, co_await env_.files.list(options_.directory + "/shards"));
    std::vector<ShardFileId> ids;
    for (const std::string& name : names) {
      const auto id = parse_shard_file_name(name);
      if (id) {
        ids.push_back(*id);
      } else {
        report_.problems.push_back(name + ": not the name of a shard file");
      }
    }
    PREDA_CO_CHECK(co_await find_identity(ids));
    IndexReplay replay{*from_files_, drive_options_->drive};
    for (const ShardFileId id : ids) {
      PREDA_CO_CHECK(co_await check_file(id, replay));
    }
    PREDA_CO_CHECK(replay.finish(last_decision_));
    for (const Damage& damage : replay.take_damage()) say(damage);
    PREDA_CO_CHECK(count());
    PREDA_CO_CHECK(co_await check_index());
    co_return std::move(report_);
  }

 private:
  void say(const Damage& damage) {
    report_.problems.push_back(fmt::format(
        "{} at {}: {}{}", shard_file_name(damage.file_id), damage.offset_bytes, damage.detail,
        damage.key ? " (" + describe(*damage.key) + ")" : std::string{}));
  }

  // Whose drive it is: what most headers say, so that one damaged or foreign file stands out.
  Task<Result<void>> find_identity(const std::vector<ShardFileId>& ids) {
    std::map<std::string, std::pair<std::size_t, FileHeader>> votes;
    for (const ShardFileId id : ids) {
      const std::string path = options_.directory + "/shards/" + shard_file_name(id);
      PREDA_CO_TRY(auto file, co_await env_.files.open(path, FileMode{}));
      PREDA_CO_TRY(const Buffer bytes, co_await file->read(0, kFileHeaderSizeBytes));
      const auto header = decode_file_header(bytes);
      if (!header) continue;
      auto& vote = votes[to_hex(header->drive.span())];
      ++vote.first;
      vote.second = *header;
    }
    auto options = std::make_shared<ShardStoreOptions>();
    options->directory = options_.directory;
    options->direct_io = options_.direct_io;
    std::size_t most = 0;
    for (const auto& [drive, vote] : votes) {
      if (vote.first <= most) continue;
      most = vote.first;
      options->cluster = vote.second.cluster;
      options->node = vote.second.node;
      options->drive = vote.second.drive;
      report_.drive = vote.second.drive;
    }
    drive_options_ = std::move(options);
    co_return Result<void>{};
  }

  Task<Result<void>> check_file(ShardFileId id, IndexReplay& replay) {
    FileRecovery recovery{env_, drive_options_};
    auto found = co_await recovery.find(id);
    if (!found) {
      report_.problems.push_back(shard_file_name(id) + ": " + found.error().detail);
      co_return Result<void>{};
    }
    ++report_.file_count;
    report_.used_bytes += found->size_bytes;
    usage_.set_size(id, found->size_bytes);
    if (!found->has_trailer) {
      (void)recovery.take_damage();
      report_.notes.push_back(shard_file_name(id) +
                              ": was open at the last stop, is sealed at the next start");
    }
    PREDA_CO_TRY(const auto listed, co_await recovery.load(*found));
    PREDA_CO_TRY(const auto scanned, co_await recovery.scan_file(*found));
    for (const Damage& damage : recovery.take_damage()) say(damage);
    std::set<std::uint64_t> good;
    for (const RecordHeader& record : scanned) good.insert(record.own_offset_bytes);
    for (const RecordHeader& record : listed) {
      if (good.contains(record.own_offset_bytes)) continue;
      say({drive_options_->drive, record.key, record.write_id, id, record.own_offset_bytes,
           fmt::format("a {} that the file's index names is damaged", name_of(record.kind))});
    }
    if (listed.size() < scanned.size())
      report_.problems.push_back(shard_file_name(id) + ": records that its index does not name");
    report_.record_count += listed.size();
    for (const RecordHeader& record : listed) {
      if (record.kind != RecordKind::segment)
        last_decision_ = std::max(last_decision_, record.sequence);
    }
    co_return replay.add(listed);
  }

  Result<void> count() {
    const auto entries = from_files_->iterate(kShardFamily);
    for (entries->seek({}); entries->valid(); entries->next()) {
      PREDA_TRY(const IndexEntry entry, decode_entry(entries->value()));
      ++report_.shard_count;
      usage_.add(entry);
    }
    report_.live_bytes = usage_.live_bytes();
    for (const auto& [id, file] : usage_.files()) {
      if (file.live_bytes > file.size_bytes)
        report_.problems.push_back(shard_file_name(id) + ": more is live in it than it is long");
    }
    return entries->status();
  }

  Task<Result<void>> check_index() {
    kv::RocksOptions index_options;
    index_options.path = options_.directory + "/kv";
    index_options.families = {"shards", "state", "dead", "replay"};
    index_options.use_wal = true;
    auto opened = options_.open_index(index_options);
    if (!opened && opened.error().code != ErrorCode::Corruption) co_return opened.error();
    if (!opened) {
      report_.problems.push_back("kv: " + opened.error().detail);
      if (!options_.repair_index) co_return Result<void>{};
      PREDA_CO_CHECK(co_await env_.files.remove_tree(options_.directory + "/kv"));
      opened = options_.open_index(index_options);
      if (!opened) co_return opened.error();
    }
    kv::KeyValueStore& index = **opened;
    if (options_.repair_index) co_return write_index(index);
    PREDA_CO_TRY(const auto state, get_state(index));
    if (!state || *state != IndexState{drive_options_->drive, last_decision_}) {
      report_.notes.push_back("kv: not as far as the files; it is rebuilt at the next start");
      co_return Result<void>{};
    }
    co_return compare(index);
  }

  // Both in the order of their keys.
  Result<void> compare(kv::KeyValueStore& index) {
    const auto mine = from_files_->iterate(kShardFamily);
    const auto theirs = index.iterate(kShardFamily);
    mine->seek({});
    theirs->seek({});
    while (mine->valid() || theirs->valid()) {
      const bool is_extra = !mine->valid() || (theirs->valid() && theirs->key() < mine->key());
      const bool is_missing = !theirs->valid() || (mine->valid() && mine->key() < theirs->key());
      const auto key = decode_shard_key(is_extra ? theirs->key() : mine->key());
      const std::string name = key ? describe(*key) : std::string{"a key of no shard"};
      if (is_extra) {
        report_.problems.push_back("kv: names a shard that no file holds: " + name);
        theirs->next();
        continue;
      }
      if (is_missing) {
        report_.problems.push_back("kv: does not name a shard that the files hold: " + name);
        mine->next();
        continue;
      }
      PREDA_TRY(const IndexEntry expected, decode_entry(mine->value()));
      const auto entry = decode_entry(theirs->value());
      if (!entry) {
        report_.problems.push_back("kv: a damaged entry: " + name);
      } else if (!is_same(*entry, expected)) {
        report_.problems.push_back("kv: another place or try than the files hold: " + name);
      }
      mine->next();
      theirs->next();
    }
    PREDA_CHECK(mine->status());
    return theirs->status();
  }

  Result<void> write_index(kv::KeyValueStore& index) {
    IndexReplay replay{index, drive_options_->drive};
    PREDA_CHECK(replay.clear());
    for (const kv::Family family : {kShardFamily, kDeadFamily}) {
      const auto entries = from_files_->iterate(family);
      kv::Batch batch;
      for (entries->seek({}); entries->valid(); entries->next()) {
        batch.put(family, std::string(entries->key()), std::string(entries->value()));
        if (batch.operations().size() < 1000) continue;
        PREDA_CHECK(index.write(batch));
        batch = kv::Batch{};
      }
      PREDA_CHECK(index.write(batch));
    }
    PREDA_CHECK(replay.finish(last_decision_));
    report_.is_index_repaired = true;
    return {};
  }

  Environment env_;
  FsckOptions options_;
  std::unique_ptr<kv::KeyValueStore> from_files_;  // the index that the files make
  std::shared_ptr<const ShardStoreOptions> drive_options_;
  FileUsage usage_;
  Sequence last_decision_;
  FsckReport report_;
};

}  // namespace

Task<Result<FsckReport>> check_drive(Environment env, FsckOptions options) {
  DriveCheck check{env, std::move(options)};
  co_return co_await check.run();
}

Task<Result<std::string>> describe_file(Environment env, std::string path) {
  const std::size_t slash = path.rfind('/');
  const auto id = parse_shard_file_name(slash == std::string::npos ? path : path.substr(slash + 1));
  if (!id)
    co_return make_error(ErrorCode::InvalidArgument,
                         path + ": not the name of a shard file (16 hex digits and .shard)");
  PREDA_CO_TRY(auto file, co_await env.files.open(path, FileMode{}));
  PREDA_CO_TRY(const Buffer bytes, co_await file->read(0, kFileHeaderSizeBytes));
  std::string text;
  const auto header = decode_file_header(bytes);
  auto options = std::make_shared<ShardStoreOptions>();
  // FileRecovery finds files as <drive>/shards/<name>.
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash);
  if (!directory.ends_with("/shards"))
    co_return make_error(ErrorCode::InvalidArgument,
                         path + ": name it by a path that ends in shards/<name>.shard");
  options->directory = directory.substr(0, directory.size() - 7);
  options->direct_io = false;
  if (header) {
    text +=
        fmt::format("header  cluster {} node {:016x} drive {} file {:016x} size {}\n",
                    to_hex(header->cluster.span()), header->node.value(),
                    to_hex(header->drive.span()), header->file_id.value(), header->file_size_bytes);
    options->cluster = header->cluster;
    options->node = header->node;
    options->drive = header->drive;
  } else {
    text += "header  damaged: " + header.error().to_string() + "\n";
  }
  FileRecovery recovery{env, options};
  PREDA_CO_TRY(const FoundFile found, co_await recovery.find(*id));
  PREDA_CO_TRY(const auto records, co_await recovery.load(found));
  PREDA_CO_TRY(const auto scanned, co_await recovery.scan_file(found));
  std::set<std::uint64_t> good;
  for (const RecordHeader& record : scanned) good.insert(record.own_offset_bytes);
  for (const RecordHeader& record : records) {
    text += fmt::format(
        "{:>10}  {:<9} {} segment {} logical {} stored {} codec {} crc {:08x} write {:016x} "
        "generation {} epoch {} sequence {}{}\n",
        record.own_offset_bytes, name_of(record.kind), describe(record.key),
        record.segment_index.value(), record.logical_size_bytes, record.stored_size_bytes,
        segment::name_of(static_cast<segment::Codec>(record.codec)), record.payload_crc32,
        record.write_id.value(), record.generation.value(), record.write_epoch.value(),
        record.sequence.value(), good.contains(record.own_offset_bytes) ? "" : "  DAMAGED");
  }
  if (found.has_trailer) {
    text += fmt::format("footer  at {} records {} decisions {} sequences {}..{} last decision {}\n",
                        found.trailer.footer_offset_bytes, found.trailer.record_count,
                        found.trailer.decision_count, found.trailer.first_sequence.value(),
                        found.trailer.last_sequence.value(), found.trailer.last_decision.value());
  } else {
    text += "footer  none: the file is not sealed, or its end is damaged\n";
  }
  co_return text;
}

}  // namespace predastore::shard
