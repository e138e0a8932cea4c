#include "raft/snapshot_fetch.h"

#include <algorithm>
#include <utility>

#include "telemetry/log.h"

namespace predastore::raft {
namespace {

constexpr Duration kPieceTimeout = 5s;
constexpr Duration kManifestTimeout = 15s;  // a checkpoint is made meanwhile
constexpr Duration kTryAgainAfter = 500ms;
constexpr int kTriesMax = 5;  // of one piece
constexpr std::uint64_t kSyncEvery = 16u << 20;
constexpr std::size_t kManifestMaxBytes = 32u << 20;

bool is_passing(ErrorCode code) {
  return code == ErrorCode::Unavailable || code == ErrorCode::TimedOut ||
         code == ErrorCode::Cancelled || code == ErrorCode::Corruption;
}

}  // namespace

SnapshotFetch::SnapshotFetch(Environment env, const ReplicaOptions& options, std::string directory,
                             rpc::Client& client)
    : env_(env),
      group_(options.group),
      piece_bytes_(std::min(options.snapshot_piece_bytes, kSnapshotPieceMaxBytes)),
      bytes_per_second_(options.snapshot_bytes_per_second),
      directory_(std::move(directory)),
      client_(client),
      stopping_(env.clock) {}

void SnapshotFetch::stop() {
  is_stopping_ = true;
  stopping_.notify_all();
}

Task<Result<void>> SnapshotFetch::discard() {
  co_return co_await env_.files.remove_tree(directory_);
}

Task<Result<FetchedSnapshot>> SnapshotFetch::run(NodeId from, std::uint64_t index_min) {
  PREDA_CO_TRY(const SnapshotManifest wanted, co_await manifest(from, index_min));
  PREDA_CO_CHECK(co_await prepare(wanted));
  for (std::uint32_t i = 0; i < wanted.files.size(); ++i) {
    if (is_stopping_) co_return make_error(ErrorCode::Cancelled);
    PREDA_CO_TRY(const bool is_there, co_await has_file(wanted.files[i]));
    if (is_there) continue;
    PREDA_CO_CHECK(co_await fetch_file(from, &wanted, i));
  }
  PREDA_CO_CHECK(co_await env_.files.sync_directory(directory_ + "/files"));
  co_return FetchedSnapshot{wanted.snapshot, directory_ + "/files"};
}

Task<Result<SnapshotManifest>> SnapshotFetch::manifest(NodeId from, std::uint64_t index_min) {
  SnapshotRequest request;
  request.group = group_;
  request.index_min = index_min;
  BufferChain body{Buffer::take(encode_snapshot_request(request))};
  PREDA_CO_TRY(const Buffer answer,
               co_await client_.call(from, rpc::MessageType::snapshot, std::move(body),
                                     env_.clock.now() + kManifestTimeout));
  PREDA_CO_TRY(SnapshotManifest manifest, decode_manifest(answer));
  if (manifest.snapshot.index < index_min)
    co_return make_error(ErrorCode::Unavailable, "the snapshot is older than what is needed");
  co_return manifest;
}

// Order of writes: the description is durable before the first file that it describes.
Task<Result<void>> SnapshotFetch::prepare(SnapshotManifest manifest) {
  const std::string path = directory_ + "/manifest";
  const auto bytes = co_await read_file(env_.files, path, kManifestMaxBytes);
  if (bytes) {
    const auto held = decode_manifest(*bytes);
    if (held && held->id == manifest.id) co_return Result<void>{};
  }
  PREDA_CO_CHECK(co_await env_.files.remove_tree(directory_));
  PREDA_CO_CHECK(co_await env_.files.create_directories(directory_ + "/files"));
  Buffer text = Buffer::take(encode_manifest(manifest));
  co_return co_await write_file_durably(env_.files, path, std::move(text));
}

Task<Result<bool>> SnapshotFetch::has_file(SnapshotFile file) {
  const auto opened = co_await env_.files.open(directory_ + "/files/" + file.name, FileMode{});
  if (!opened) {
    if (opened.error().code == ErrorCode::NotFound) co_return false;
    co_return opened.error();
  }
  PREDA_CO_TRY(const std::uint64_t size_bytes, co_await (*opened)->size_bytes());
  co_return size_bytes == file.size_bytes;
}

// Order of writes: its bytes, synced; then its name. `manifest` is the caller's, which waits.
Task<Result<void>> SnapshotFetch::fetch_file(NodeId from, const SnapshotManifest* manifest,
                                             std::uint32_t index) {
  const SnapshotFile& wanted = manifest->files[index];
  const std::string part = directory_ + "/part";
  PREDA_CO_TRY(const auto file,
               co_await env_.files.open(part, FileMode{.write = true, .create = true}));
  PREDA_CO_CHECK(co_await file->truncate(0));
  SnapshotRequest request;
  request.group = group_;
  request.id = manifest->id;
  request.file = index;
  std::uint64_t unsynced_bytes = 0;
  while (request.offset_bytes < wanted.size_bytes) {
    if (is_stopping_) co_return make_error(ErrorCode::Cancelled);
    request.size_bytes = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(piece_bytes_, wanted.size_bytes - request.offset_bytes));
    PREDA_CO_TRY(Buffer bytes, co_await fetch_piece(from, request));
    if (bytes.size() != request.size_bytes)
      co_return make_error(ErrorCode::NotFound, "a snapshot's file is shorter than was said");
    PREDA_CO_CHECK(co_await file->write(request.offset_bytes, std::move(bytes)));
    request.offset_bytes += request.size_bytes;
    unsynced_bytes += request.size_bytes;
    if (unsynced_bytes >= kSyncEvery) {
      PREDA_CO_CHECK(co_await file->sync());
      unsynced_bytes = 0;
    }
    PREDA_CO_CHECK(co_await keep_pace(request.size_bytes));
  }
  PREDA_CO_CHECK(co_await file->sync());
  PREDA_CO_CHECK(co_await env_.files.rename(part, directory_ + "/files/" + wanted.name));
  co_return co_await env_.files.sync_directory(directory_ + "/files");
}

Task<Result<Buffer>> SnapshotFetch::fetch_piece(NodeId from, SnapshotRequest request) {
  for (int tries = 1;; ++tries) {
    BufferChain body{Buffer::take(encode_snapshot_request(request))};
    auto answer = co_await client_.call(from, rpc::MessageType::snapshot, std::move(body),
                                        env_.clock.now() + kPieceTimeout);
    Result<Buffer> piece = answer ? decode_piece(*answer) : Result<Buffer>{answer.error()};
    if (piece || tries >= kTriesMax || is_stopping_ || !is_passing(piece.error().code))
      co_return piece;
    (void)co_await stopping_.wait_until(env_.clock.now() + kTryAgainAfter);
  }
}

Task<Result<void>> SnapshotFetch::keep_pace(std::size_t size_bytes) {
  const auto taken = Duration(static_cast<Duration::rep>(static_cast<double>(size_bytes) * 1e9 /
                                                         static_cast<double>(bytes_per_second_)));
  next_at_ = std::max(next_at_, env_.clock.now() - 100ms) + taken;
  while (!is_stopping_ && env_.clock.now() < next_at_)
    (void)co_await stopping_.wait_until(next_at_);
  if (is_stopping_) co_return make_error(ErrorCode::Cancelled);
  co_return Result<void>{};
}

}  // namespace predastore::raft
