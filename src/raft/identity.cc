#include "raft/identity.h"

#include <utility>

#include "base/codec.h"
#include "digest/crc.h"

namespace predastore::raft {
namespace {

constexpr std::string_view kMagic = "PSI1";
constexpr std::size_t kSizeMaxBytes = 4 + 4 + 16 + 8 + 8 + 4 + 8 * kMembersMax;

Error damaged(const char* what) {
  return make_error(ErrorCode::Corruption, std::string("a replica's identity with ") + what);
}

}  // namespace

std::uint64_t first_group_of(const ClusterId& cluster) {
  return Decoder{cluster.span()}.le<std::uint64_t>();
}

// magic | crc of what follows | cluster id, 16 bytes | group u64 | replica id u64 | count u32 |
// nodes of the first configuration, u64 each
std::string encode_identity(const ReplicaIdentity& identity) {
  PREDA_ASSERT(identity.first.size() <= kMembersMax);
  Encoder body;
  body.raw(identity.cluster.span()).le(identity.group).le(identity.id.value());
  body.le(static_cast<std::uint32_t>(identity.first.size()));
  for (const NodeId node : identity.first) body.le(node.value());
  Encoder whole;
  whole.raw(as_bytes(kMagic)).le(digest::crc32(as_bytes(body.str()))).raw(as_bytes(body.str()));
  return std::move(whole).take();
}

Result<ReplicaIdentity> decode_identity(ByteSpan bytes) {
  Decoder decoder(bytes);
  const auto magic = as_text(decoder.raw(4));
  const auto crc = decoder.le<std::uint32_t>();
  if (!decoder.ok() || magic != kMagic || crc != digest::crc32(decoder.rest()))
    return damaged("another checksum");
  ReplicaIdentity identity;
  const ByteSpan cluster = decoder.raw(sizeof(ClusterId));
  if (!decoder.ok()) return damaged("another length than it says");
  identity.cluster = ClusterId::from(cluster);
  identity.group = decoder.le<std::uint64_t>();
  identity.id = VoterId{decoder.le<std::uint64_t>()};
  const auto count = decoder.le<std::uint32_t>();
  if (!decoder.ok() || count > kMembersMax || decoder.remaining() != count * std::size_t{8})
    return damaged("another length than it says");
  for (std::uint32_t i = 0; i < count; ++i)
    identity.first.push_back(NodeId{decoder.le<std::uint64_t>()});
  if (identity.id == VoterId{}) return damaged("no id");
  return identity;
}

Task<Result<std::optional<ReplicaIdentity>>> load_identity(FileSystem& files, std::string path) {
  const auto bytes = co_await read_file(files, std::move(path), kSizeMaxBytes);
  if (!bytes) {
    if (bytes.error().code == ErrorCode::NotFound) co_return std::optional<ReplicaIdentity>{};
    if (bytes.error().code == ErrorCode::InvalidArgument) co_return damaged("another length");
    co_return bytes.error();
  }
  PREDA_CO_TRY(ReplicaIdentity identity, decode_identity(*bytes));
  co_return std::optional<ReplicaIdentity>{std::move(identity)};
}

Task<Result<void>> store_identity(FileSystem& files, std::string path, ReplicaIdentity identity) {
  Buffer bytes = Buffer::take(encode_identity(identity));
  co_return co_await write_file_durably(files, std::move(path), std::move(bytes));
}

}  // namespace predastore::raft
