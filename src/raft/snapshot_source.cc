#include "raft/snapshot_source.h"

#include <utility>

#include "telemetry/log.h"

namespace predastore::raft {
namespace {

constexpr Duration kKeptUnused = std::chrono::minutes{10};
constexpr Duration kInUse = std::chrono::minutes{1};
constexpr std::uint64_t kPiecesMax = 4;  // that are read at once
constexpr std::size_t kManifestMaxBytes = 32u << 20;

}  // namespace

SnapshotSource::SnapshotSource(Environment env, std::string directory, std::uint64_t group,
                               StateMachine& state_machine, Describe describe)
    : env_(env),
      directory_(std::move(directory)),
      group_(group),
      state_machine_(state_machine),
      describe_(std::move(describe)),
      used_at_(env.clock.now()),
      pieces_(env.clock, kPiecesMax) {}

Task<void> SnapshotSource::load() {
  const auto bytes = co_await read_file(env_.files, directory_ + "/manifest", kManifestMaxBytes);
  if (!bytes) co_return;
  auto manifest = decode_manifest(*bytes);
  if (manifest) current_ = std::move(*manifest);
}

std::optional<std::uint64_t> SnapshotSource::index_in_use() const {
  if (!current_ || env_.clock.now() - used_at_ > kInUse) return std::nullopt;
  return current_->snapshot.index;
}

Task<void> SnapshotSource::tidy() {
  if (!current_ || is_making_ || env_.clock.now() - used_at_ < kKeptUnused) co_return;
  current_.reset();
  is_making_ = true;
  (void)co_await env_.files.remove_tree(directory_);
  is_making_ = false;
}

Task<void> SnapshotSource::serve(rpc::Call call) {
  auto request = decode_snapshot_request(call.body());
  if (!request) {
    co_await call.answer(std::move(request).error());
    co_return;
  }
  auto answered = co_await answer(*request);
  if (answered) {
    co_await call.answer(*std::move(answered));
  } else {
    co_await call.answer(std::move(answered).error());
  }
}

Task<Result<BufferChain>> SnapshotSource::answer(SnapshotRequest request) {
  if (request.group != group_)
    co_return make_error(ErrorCode::Conflict, "this replica is of another group");
  if (request.id == 0) co_return co_await manifest(request.index_min);
  PREDA_CO_CHECK(co_await pieces_.acquire(1, env_.clock.now() + 10s));
  const SemaphoreHold hold{pieces_, 1};
  PREDA_CO_TRY(const Buffer bytes, co_await piece(request));
  co_return BufferChain{encode_piece(bytes)};
}

Task<Result<BufferChain>> SnapshotSource::manifest(std::uint64_t index_min) {
  if (is_making_) co_return make_error(ErrorCode::Unavailable, "a snapshot is being made");
  if (!current_ || current_->snapshot.index < index_min) {
    is_making_ = true;
    auto made = co_await make();
    is_making_ = false;
    if (!made) {
      telemetry::log_warn("could not make a snapshot", {{"error", made.error().to_string()}});
      co_return std::move(made).error();
    }
  }
  used_at_ = env_.clock.now();
  co_return BufferChain{Buffer::take(encode_manifest(*current_))};
}

// Order of writes: the old manifest goes before its files; the new one is written when its files
// are durable. What a crash leaves without a manifest goes the next time.
Task<Result<void>> SnapshotSource::make() {
  current_.reset();
  PREDA_CO_CHECK(co_await env_.files.create_directories(directory_));
  (void)co_await env_.files.remove(directory_ + "/manifest");
  PREDA_CO_CHECK(co_await env_.files.sync_directory(directory_));
  const std::string files = directory_ + "/files";
  PREDA_CO_CHECK(co_await env_.files.remove_tree(files));
  PREDA_CO_TRY(const StatePoint point, co_await state_machine_.checkpoint(files));
  PREDA_CO_CHECK(co_await env_.files.sync_directory(directory_));
  SnapshotManifest manifest;
  while (manifest.id == 0) manifest.id = env_.random.next_u64();
  const auto described = describe_(point);
  if (!described)
    co_return make_error(ErrorCode::Unavailable, "nothing was applied that could be sent");
  manifest.snapshot = *described;
  PREDA_CO_TRY(const std::vector<std::string> names, co_await env_.files.list(files));
  for (const std::string& name : names) {
    PREDA_CO_TRY(const auto file, co_await env_.files.open(files + "/" + name, FileMode{}));
    PREDA_CO_TRY(const std::uint64_t size_bytes, co_await file->size_bytes());
    manifest.files.push_back({name, size_bytes});
  }
  Buffer bytes = Buffer::take(encode_manifest(manifest));
  PREDA_CO_CHECK(
      co_await write_file_durably(env_.files, directory_ + "/manifest", std::move(bytes)));
  telemetry::log_info("made a snapshot of the state",
                      {{"index", manifest.snapshot.index}, {"files", manifest.files.size()}});
  current_ = std::move(manifest);
  co_return Result<void>{};
}

Task<Result<Buffer>> SnapshotSource::piece(SnapshotRequest request) {
  if (!current_ || current_->id != request.id || request.file >= current_->files.size())
    co_return make_error(ErrorCode::NotFound, "this snapshot is not there any more");
  used_at_ = env_.clock.now();
  const std::string path = directory_ + "/files/" + current_->files[request.file].name;
  PREDA_CO_TRY(const auto file, co_await env_.files.open(path, FileMode{}));
  co_return co_await file->read(request.offset_bytes, request.size_bytes);
}

}  // namespace predastore::raft
