#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

#include "env/clock.h"
#include "env/random.h"
#include "object/object_store.h"

namespace predastore::object::testing {

// A body that comes in pieces.
class TextBody final : public BodySource {
 public:
  explicit TextBody(std::string text) : text_(Buffer::take(std::move(text))) {}

  Random* random = nullptr;              // draws the size of the pieces
  bool is_announced = true;              // tells its size
  std::optional<std::size_t> breaks_at;  // an error instead of this byte
  Clock* clock = nullptr;                // with `delay`: before each piece
  Duration delay{};
  ObjectChecksum sent;
  std::function<void(std::size_t)> on_read;  // with what was handed out before

  Task<Result<Buffer>> read(std::size_t max_bytes) override {
    if (on_read) on_read(at_);
    if (clock != nullptr) co_await sleep_for(*clock, delay);
    std::size_t size = std::min(max_bytes, text_.size() - at_);
    if (random != nullptr && size > 1) size = 1 + random->below(size);
    if (breaks_at && at_ + size > *breaks_at)
      co_return make_error(ErrorCode::InvalidArgument, "the client broke off");
    Buffer piece = text_.slice(at_, size);
    at_ += size;
    co_return piece;
  }
  std::optional<std::uint64_t> size_bytes() const override {
    if (is_announced) return text_.size();
    return std::nullopt;
  }
  ObjectChecksum checksum() const override { return sent; }

 private:
  Buffer text_;
  std::size_t at_ = 0;
};

class TextSink final : public BodySink {
 public:
  std::string text;
  std::optional<std::size_t> breaks_at;
  Clock* clock = nullptr;
  Duration delay{};
  std::function<void(std::size_t)> on_write;  // with what was written before

  Task<Result<void>> write(Buffer bytes) override {
    if (on_write) on_write(text.size());
    if (clock != nullptr) co_await sleep_for(*clock, delay);
    if (breaks_at && text.size() + bytes.size() > *breaks_at)
      co_return make_error(ErrorCode::Cancelled, "the client is gone");
    text += bytes.text();
    co_return Result<void>{};
  }
};

}  // namespace predastore::object::testing
