#pragma once

#include <string>
#include <string_view>

#include "http/message.h"
#include "http/stream.h"

// Inside http only: what has come from the wire and was not taken yet, and bodies read from it.
namespace predastore::http {

// The bytes between the socket and whoever parses them. Small while a connection is idle.
class InputBuffer {
 public:
  explicit InputBuffer(ByteStream& stream) : stream_(stream) {}

  std::string_view available() const { return {storage_.get() + begin_, end_ - begin_}; }
  void consume(std::size_t size_bytes);
  // Reads once, so that at most `available_max` bytes are available; less than that must be there
  // before. False at the end of the stream.
  Task<Result<bool>> fill(std::size_t available_max, Instant deadline);
  ByteStream& stream() { return stream_; }
  void reserve(std::size_t capacity_bytes);
  void release_if_empty();  // what is more than an idle connection needs

 private:
  void make_room(std::size_t available_max);

  ByteStream& stream_;
  std::unique_ptr<char[]> storage_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

struct BodyTimeouts {
  Duration idle = 60s;
  std::size_t rate_min_bytes_per_s = 0;
};

class WireBodyReader final : public BodyReader {
 public:
  WireBodyReader(Clock& clock, InputBuffer& input, BodyFraming framing, BodyTimeouts timeouts);

  Task<Result<Buffer>> read(std::size_t max_bytes) override;
  BodyFraming framing() const override { return framing_; }
  bool is_at_end() const override { return is_at_end_; }
  bool has_failed() const { return has_failed_; }
  std::uint64_t remaining_bytes() const { return remaining_; }  // with Framing::content_length

 private:
  Task<Result<Buffer>> read_plain(std::size_t max_bytes);
  Task<Result<Buffer>> read_chunked(std::size_t max_bytes);
  Task<Result<std::size_t>> read_into(MutableByteSpan target);
  Task<Result<void>> fill_input(std::size_t available_max);
  Result<void> account(Instant before, std::size_t count);
  Task<Result<std::string>> take_line(std::size_t size_max_bytes);
  Task<Result<void>> begin_chunk();
  Task<Result<void>> end_chunk();
  Task<Result<void>> skip_trailer();

  Clock& clock_;
  InputBuffer& input_;
  BodyFraming framing_;
  BodyTimeouts timeouts_;
  std::uint64_t remaining_ = 0;  // of the body, or of the current chunk
  bool is_at_end_ = false;
  bool has_failed_ = false;
  bool is_in_chunk_ = false;
  // Of the current stretch of waiting, for the lowest rate.
  Duration waited_{};
  std::uint64_t waited_bytes_ = 0;
};

}  // namespace predastore::http
