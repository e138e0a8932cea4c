#include "raft/snapshot_messages.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/codec.h"
#include "digest/crc.h"

namespace predastore::raft {
namespace {

constexpr std::string_view kManifestMagic = "PSN1";
constexpr std::string_view kSnapshotMagic = "PSP1";
constexpr std::uint8_t kRequestVersion = 1;
constexpr std::size_t kNameMaxBytes = 255;

Error nonsense(const char* what) {
  return make_error(ErrorCode::Corruption, std::string("a snapshot's message with ") + what);
}

std::string sealed(std::string_view magic, const std::string& body) {
  Encoder whole;
  whole.raw(as_bytes(magic)).le(digest::crc32(as_bytes(body))).raw(as_bytes(body));
  return std::move(whole).take();
}

// The body of what sealed() made; not ok() when it is something else.
Decoder unsealed(std::string_view magic, ByteSpan bytes) {
  Decoder decoder(bytes);
  const auto found = as_text(decoder.raw(magic.size()));
  const auto crc = decoder.le<std::uint32_t>();
  if (!decoder.ok() || found != magic || crc != digest::crc32(decoder.rest()))
    (void)decoder.raw(bytes.size() + 1);
  return decoder;
}

// index u64 | term u64 | configuration index u64 | configuration string
void encode_into(Encoder& out, const Snapshot& snapshot) {
  out.le(snapshot.index).le(snapshot.term).le(snapshot.configuration.index);
  out.string(encode_configuration(snapshot.configuration.configuration));
}

Result<Snapshot> decode_from(Decoder& in) {
  Snapshot snapshot;
  snapshot.index = in.le<std::uint64_t>();
  snapshot.term = in.le<std::uint64_t>();
  snapshot.configuration.index = in.le<std::uint64_t>();
  const auto text = in.string();
  if (!in.ok()) return nonsense("a broken head");
  PREDA_TRY(snapshot.configuration.configuration, decode_configuration(as_bytes(text)));
  if (snapshot.index == 0 || snapshot.term == 0 || snapshot.configuration.index > snapshot.index)
    return nonsense("an index out of range");
  return snapshot;
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameMaxBytes && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

}  // namespace

// magic | crc of what follows | id u64 | snapshot | file count u32 | files, each: name string |
// size u64
std::string encode_manifest(const SnapshotManifest& manifest) {
  Encoder body;
  body.le(manifest.id);
  encode_into(body, manifest.snapshot);
  body.le(static_cast<std::uint32_t>(manifest.files.size()));
  for (const SnapshotFile& file : manifest.files) body.string(file.name).le(file.size_bytes);
  return sealed(kManifestMagic, body.str());
}

Result<SnapshotManifest> decode_manifest(ByteSpan bytes) {
  Decoder in = unsealed(kManifestMagic, bytes);
  SnapshotManifest manifest;
  manifest.id = in.le<std::uint64_t>();
  if (!in.ok() || manifest.id == 0) return nonsense("another checksum");
  PREDA_TRY(manifest.snapshot, decode_from(in));
  const auto count = in.le<std::uint32_t>();
  if (!in.ok() || count > kSnapshotFilesMax || count > in.remaining() / (4 + 1 + 8))
    return nonsense("files it cannot hold");
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    SnapshotFile file;
    file.name = in.string();
    file.size_bytes = in.le<std::uint64_t>();
    if (!is_plain_name(file.name)) return nonsense("a name that is none");
    manifest.files.push_back(std::move(file));
  }
  if (!in.finished()) return nonsense("another length than it says");
  return manifest;
}

// version u8 | group u64 | id u64 | index_min u64 | file u32 | offset u64 | size u32
std::string encode_snapshot_request(const SnapshotRequest& request) {
  Encoder out;
  out.le(kRequestVersion).le(request.group).le(request.id).le(request.index_min);
  out.le(request.file).le(request.offset_bytes).le(request.size_bytes);
  return std::move(out).take();
}

Result<SnapshotRequest> decode_snapshot_request(ByteSpan bytes) {
  Decoder in(bytes);
  const auto version = in.le<std::uint8_t>();
  if (in.ok() && version != kRequestVersion)
    return make_error(ErrorCode::Unsupported, "a request for a snapshot of another version");
  SnapshotRequest request;
  request.group = in.le<std::uint64_t>();
  request.id = in.le<std::uint64_t>();
  request.index_min = in.le<std::uint64_t>();
  request.file = in.le<std::uint32_t>();
  request.offset_bytes = in.le<std::uint64_t>();
  request.size_bytes = in.le<std::uint32_t>();
  if (!in.finished()) return nonsense("another length than it says");
  if (request.size_bytes > kSnapshotPieceMaxBytes) return nonsense("a piece that is too large");
  return request;
}

// crc u32 | bytes
Buffer encode_piece(const Buffer& bytes) {
  Encoder out;
  out.le(digest::crc32(bytes)).raw(bytes);
  return Buffer::take(std::move(out).take());
}

Result<Buffer> decode_piece(const Buffer& answer) {
  Decoder in(answer);
  const auto crc = in.le<std::uint32_t>();
  if (!in.ok() || crc != digest::crc32(in.rest())) return nonsense("a piece that is damaged");
  return answer.slice(sizeof(crc), answer.size() - sizeof(crc));
}

std::string encode_snapshot(const Snapshot& snapshot) {
  Encoder body;
  encode_into(body, snapshot);
  return sealed(kSnapshotMagic, body.str());
}

Result<Snapshot> decode_snapshot(ByteSpan bytes) {
  Decoder in = unsealed(kSnapshotMagic, bytes);
  PREDA_TRY(Snapshot snapshot, decode_from(in));
  if (!in.finished()) return nonsense("another length than it says");
  return snapshot;
}

}  // namespace predastore::raft
