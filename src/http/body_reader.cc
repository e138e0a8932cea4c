#include "http/body_reader.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace predastore::http {
namespace {

constexpr std::size_t kInputIdleBytes = 4 * 1024;
constexpr std::size_t kInputChunkedBytes = 64 * 1024;
constexpr std::size_t kReadMaxBytes = 1024 * 1024;
constexpr std::size_t kChunkLineMaxBytes = 16 + 256 + 2;  // a size, extensions, CRLF
constexpr std::size_t kTrailerMaxBytes = 8 * 1024;

Error malformed(std::string what) {
  return make_error(ErrorCode::InvalidArgument, std::move(what));
}
Error ended_early() {
  return make_error(ErrorCode::Unavailable, "the connection ended before the body did");
}

bool is_visible(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u == '\t' || (u >= 0x20 && u < 0x7f);
}

// 1*HEX and extensions, which are looked at only to see that they hide nothing.
std::optional<std::uint64_t> parse_chunk_line(std::string_view line) {
  std::uint64_t size = 0;
  std::size_t digits = 0;
  for (; digits < line.size(); ++digits) {
    const char c = line[digits];
    unsigned value = 0;
    if (c >= '0' && c <= '9') {
      value = static_cast<unsigned>(c - '0');
    } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
      value = static_cast<unsigned>((c | 0x20) - 'a') + 10;
    } else {
      break;
    }
    size = size << 4 | value;
  }
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (digits == 0 || digits > 16 || size > kMax) return std::nullopt;
  const std::string_view rest = line.substr(digits);
  if (!rest.empty() && (rest[0] != ';' || !std::ranges::all_of(rest, is_visible)))
    return std::nullopt;
  return size;
}

}  // namespace

void InputBuffer::consume(std::size_t size_bytes) {
  PREDA_ASSERT(size_bytes <= end_ - begin_);
  begin_ += size_bytes;
  if (begin_ == end_) begin_ = end_ = 0;
}

void InputBuffer::release_if_empty() {
  if (begin_ == end_ && capacity_ > kInputIdleBytes) {
    storage_.reset();
    capacity_ = begin_ = end_ = 0;
  }
}

void InputBuffer::reserve(std::size_t capacity_bytes) {
  if (capacity_ >= capacity_bytes) return;
  const std::size_t used = end_ - begin_;
  std::unique_ptr<char[]> larger(new char[capacity_bytes]);  // not zeroed
  if (used > 0) std::memcpy(larger.get(), storage_.get() + begin_, used);
  storage_ = std::move(larger);
  capacity_ = capacity_bytes;
  begin_ = 0;
  end_ = used;
}

void InputBuffer::make_room(std::size_t available_max) {
  const std::size_t used = end_ - begin_;
  PREDA_ASSERT(used < available_max);
  if (used == capacity_)
    return reserve(std::min(std::max(capacity_ * 2, kInputIdleBytes), available_max));
  if (end_ < capacity_) return;
  std::memmove(storage_.get(), storage_.get() + begin_, used);
  begin_ = 0;
  end_ = used;
}

Task<Result<bool>> InputBuffer::fill(std::size_t available_max, Instant deadline) {
  make_room(available_max);
  const std::size_t room = std::min(capacity_ - end_, available_max - (end_ - begin_));
  const MutableByteSpan target =
      std::as_writable_bytes(std::span<char>(storage_.get() + end_, room));
  PREDA_CO_TRY(const std::size_t count, co_await stream_.read_some(target, deadline));
  end_ += count;
  co_return count > 0;
}

WireBodyReader::WireBodyReader(Clock& clock, InputBuffer& input, BodyFraming framing,
                               BodyTimeouts timeouts)
    : clock_(clock), input_(input), framing_(framing), timeouts_(timeouts) {
  if (framing_.framing == Framing::content_length) remaining_ = framing_.content_length;
  if (framing_.framing == Framing::until_close)
    remaining_ = std::numeric_limits<std::uint64_t>::max();
  is_at_end_ = framing_.framing == Framing::none ||
               (framing_.framing == Framing::content_length && remaining_ == 0);
}

Task<Result<Buffer>> WireBodyReader::read(std::size_t max_bytes) {
  if (has_failed_) co_return make_error(ErrorCode::Unavailable, "the body has failed before");
  if (is_at_end_ || max_bytes == 0) co_return Buffer{};
  const bool is_chunked = framing_.framing == Framing::chunked;
  const std::size_t bounded = std::min(max_bytes, kReadMaxBytes);
  auto task = is_chunked ? read_chunked(bounded) : read_plain(bounded);
  Result<Buffer> result = co_await std::move(task);
  if (!result) has_failed_ = true;
  co_return result;
}

Task<Result<Buffer>> WireBodyReader::read_plain(std::size_t max_bytes) {
  const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(max_bytes, remaining_));
  MutableBuffer target(want);
  std::size_t filled = 0;
  while (filled < want) {
    PREDA_CO_TRY(const std::size_t count, co_await read_into(target.bytes().subspan(filled)));
    if (count == 0) {
      if (framing_.framing != Framing::until_close) co_return ended_early();
      is_at_end_ = true;
      break;
    }
    filled += count;
    remaining_ -= count;
    // Without an announced end nobody knows whether more comes: hand on what is there.
    if (framing_.framing == Framing::until_close) break;
  }
  if (remaining_ == 0) is_at_end_ = true;
  co_return std::move(target).freeze(filled);
}

// First what the parser of the head has read too much, then from the socket straight to where the
// bytes are wanted.
Task<Result<std::size_t>> WireBodyReader::read_into(MutableByteSpan target) {
  const std::string_view available = input_.available();
  if (!available.empty()) {
    const std::size_t count = std::min(available.size(), target.size());
    std::memcpy(target.data(), available.data(), count);
    input_.consume(count);
    co_return count;
  }
  const Instant before = clock_.now();
  PREDA_CO_TRY(const std::size_t count,
               co_await input_.stream().read_some(target, before + timeouts_.idle));
  PREDA_CO_CHECK(account(before, count));
  co_return count;
}

Task<Result<void>> WireBodyReader::fill_input(std::size_t available_max) {
  const Instant before = clock_.now();
  const std::size_t had = input_.available().size();
  PREDA_CO_TRY(const bool is_open, co_await input_.fill(available_max, before + timeouts_.idle));
  if (!is_open) co_return ended_early();
  co_return account(before, input_.available().size() - had);
}

Result<void> WireBodyReader::account(Instant before, std::size_t count) {
  waited_ += clock_.now() - before;
  waited_bytes_ += count;
  if (waited_ < timeouts_.idle) return {};
  const auto milliseconds = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(waited_).count());
  if (waited_bytes_ * 1000 < timeouts_.rate_min_bytes_per_s * milliseconds)
    return make_error(ErrorCode::TimedOut, "the body comes too slowly");
  waited_ = {};
  waited_bytes_ = 0;
  return {};
}

Task<Result<Buffer>> WireBodyReader::read_chunked(std::size_t max_bytes) {
  input_.reserve(kInputChunkedBytes);
  MutableBuffer target;
  std::size_t filled = 0;
  while (!is_at_end_) {
    if (remaining_ == 0) {
      // Do not wait for a next chunk while there is something to hand on.
      if (filled > 0 && input_.available().find('\n', 2) == std::string_view::npos) break;
      if (is_in_chunk_) {
        PREDA_CO_CHECK(co_await end_chunk());
      }
      PREDA_CO_CHECK(co_await begin_chunk());
      continue;
    }
    if (filled == max_bytes) break;
    if (target.size() == 0) target = MutableBuffer(max_bytes);
    // Small pieces through the input buffer, so that a line and its chunk come by one call.
    if (input_.available().empty() && remaining_ < kInputChunkedBytes) {
      PREDA_CO_CHECK(co_await fill_input(kInputChunkedBytes));
    }
    const auto want =
        static_cast<std::size_t>(std::min<std::uint64_t>(max_bytes - filled, remaining_));
    PREDA_CO_TRY(const std::size_t count, co_await read_into(target.bytes().subspan(filled, want)));
    if (count == 0) co_return ended_early();
    filled += count;
    remaining_ -= count;
  }
  if (filled == 0) co_return Buffer{};
  co_return std::move(target).freeze(filled);
}

Task<Result<std::string>> WireBodyReader::take_line(std::size_t size_max_bytes) {
  std::size_t scanned = 0;
  while (true) {
    const std::string_view available = input_.available();
    const auto end = available.find('\n', scanned);
    if (end != std::string_view::npos) {
      if (end + 1 > size_max_bytes || end == 0 || available[end - 1] != '\r')
        co_return malformed("malformed chunk framing");
      std::string line(available.substr(0, end - 1));
      input_.consume(end + 1);
      co_return line;
    }
    if (available.size() >= size_max_bytes) co_return malformed("a chunk's line is too long");
    scanned = available.size();
    PREDA_CO_CHECK(co_await fill_input(kInputChunkedBytes));
  }
}

Task<Result<void>> WireBodyReader::begin_chunk() {
  PREDA_CO_TRY(const std::string line, co_await take_line(kChunkLineMaxBytes));
  const auto size = parse_chunk_line(line);
  if (!size) co_return malformed("malformed chunk size");
  remaining_ = *size;
  is_in_chunk_ = true;
  if (remaining_ > 0) co_return Result<void>{};
  PREDA_CO_CHECK(co_await skip_trailer());
  is_at_end_ = true;
  co_return Result<void>{};
}

Task<Result<void>> WireBodyReader::end_chunk() {
  PREDA_CO_TRY(const std::string line, co_await take_line(2));
  if (!line.empty()) co_return malformed("a chunk does not end with CRLF");
  is_in_chunk_ = false;
  co_return Result<void>{};
}

// Trailer fields of HTTP mean nothing to us; they are only held to their form and to a bound.
Task<Result<void>> WireBodyReader::skip_trailer() {
  std::string fields;
  while (true) {
    PREDA_CO_TRY(const std::string line, co_await take_line(kTrailerMaxBytes));
    fields.append(line).append("\r\n");
    if (line.empty()) break;
    if (fields.size() > kTrailerMaxBytes) co_return malformed("the trailer is too large");
  }
  RequestHead parsed;
  const HeadLimits limits;
  if (parse_request_head("GET / HTTP/1.1\r\n" + fields, limits, parsed))
    co_return malformed("malformed trailer");
  co_return Result<void>{};
}

}  // namespace predastore::http
