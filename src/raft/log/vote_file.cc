#include "raft/log/vote_file.h"

#include <optional>

#include "base/codec.h"
#include "digest/crc.h"

namespace predastore::raft {
namespace {

constexpr std::string_view kMagic = "PSV1";
constexpr std::size_t kSizeBytes = 4 + 4 + 8 + 8 + 1 + 8;

struct Copy {
  std::uint64_t counter = 0;
  HardState state;
};

std::string encode(const Copy& copy) {
  Encoder body;
  body.le(copy.counter)
      .le(copy.state.term)
      .le(static_cast<std::uint8_t>(copy.state.vote.has_value() ? 1 : 0));
  body.le(copy.state.vote.value_or(VoterId{}).value());
  Encoder whole;
  whole.raw(as_bytes(kMagic)).le(digest::crc32(as_bytes(body.str()))).raw(as_bytes(body.str()));
  return std::move(whole).take();
}

std::optional<Copy> decode(ByteSpan bytes) {
  Decoder decoder(bytes);
  const auto magic = as_text(decoder.raw(4));
  const auto crc = decoder.le<std::uint32_t>();
  if (!decoder.ok() || magic != kMagic || crc != digest::crc32(decoder.rest())) return std::nullopt;
  Copy copy;
  copy.counter = decoder.le<std::uint64_t>();
  copy.state.term = decoder.le<std::uint64_t>();
  const auto has_vote = decoder.le<std::uint8_t>();
  const VoterId vote{decoder.le<std::uint64_t>()};
  if (!decoder.finished()) return std::nullopt;
  if (has_vote != 0) copy.state.vote = vote;
  return copy;
}

}  // namespace

Task<Result<std::unique_ptr<VoteFile>>> VoteFile::open(FileSystem& files, std::string directory) {
  std::unique_ptr<VoteFile> opened(new VoteFile);
  std::optional<Copy> newest;
  bool is_something_there = false;
  for (int i = 0; i < 2; ++i) {
    const std::string path = directory + "/vote." + std::to_string(i);
    PREDA_CO_TRY(opened->copies_[i],
                 co_await files.open(path, FileMode{.write = true, .create = true}));
    PREDA_CO_TRY(const Buffer bytes, co_await opened->copies_[i]->read(0, kSizeBytes));
    if (!bytes.empty()) is_something_there = true;
    const auto copy = decode(bytes);
    if (copy.has_value() && (!newest.has_value() || copy->counter > newest->counter)) newest = copy;
  }
  PREDA_CO_CHECK(co_await files.sync_directory(directory));
  if (newest.has_value()) {
    opened->counter_ = newest->counter;
    opened->state_ = newest->state;
    // Both copies are whole again before they are relied on. (It writes the newest state under a
    // new counter.)
    PREDA_CO_CHECK(co_await opened->write(newest->state));
  } else if (is_something_there) {
    // A first write that was torn has told nobody anything; but that is only believed of the first
    // copy alone.
    PREDA_CO_TRY(const Buffer second, co_await opened->copies_[1]->read(0, kSizeBytes));
    if (!second.empty())
      co_return make_error(ErrorCode::Corruption,
                           directory + ": both copies of the vote are damaged");
  }
  co_return opened;
}

Task<Result<void>> VoteFile::write(HardState state) {
  const std::string bytes = encode({++counter_, state});
  for (const auto& copy : copies_) {
    PREDA_CO_CHECK(co_await copy->write(0, Buffer::copy_of(bytes)));
    PREDA_CO_CHECK(co_await copy->sync());
  }
  state_ = state;
  co_return Result<void>{};
}

}  // namespace predastore::raft
