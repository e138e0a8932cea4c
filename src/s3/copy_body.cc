#include "s3/copy_body.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace predastore::s3 {

namespace {

constexpr std::size_t kInlineHashBytes = 16 * 1024;

}  // namespace

CopyChecksum checksum_of_copy(const ObjectChecksum& of_source, ChecksumAlgorithm asked) {
  const ChecksumAlgorithm wanted = asked == ChecksumAlgorithm::none ? of_source.algorithm : asked;
  if (of_source.algorithm == wanted && of_source.type == ChecksumType::full_object)
    return {of_source, ChecksumAlgorithm::none};
  // The one that the store makes anyway.
  if (wanted == ChecksumAlgorithm::crc64nvme) return {};
  return {{}, wanted};
}

class CopyBody::Sink final : public object::BodySink {
 public:
  explicit Sink(CopyBody& body) : body_(body) {}

  Task<Result<void>> write(Buffer bytes) override {
    // Bounded by the time-outs of whoever writes the copy: it reads on, or stop() is called.
    while (body_.queued_bytes_ >= kCopyWindowBytes && !body_.is_stopped_)
      co_await body_.changed_.wait();
    if (body_.is_stopped_) co_return make_error(ErrorCode::Cancelled, "the copy was given up");
    body_.queued_bytes_ += bytes.size();
    body_.queue_.push_back(std::move(bytes));
    body_.changed_.notify_all();
    co_return Result<void>{};
  }

 private:
  CopyBody& body_;
};

CopyBody::CopyBody(Environment env, object::ObjectReader& reader, std::uint64_t first,
                   std::uint64_t size_bytes, CopyChecksum checksum)
    : env_(env),
      reader_(reader),
      first_(first),
      size_bytes_(size_bytes),
      checksum_(std::move(checksum.kept)),
      group_(env.executor, env.clock),
      changed_(env.clock) {
  if (checksum.computed != ChecksumAlgorithm::none) computed_.emplace(checksum.computed);
}

CopyBody::~CopyBody() { PREDA_ASSERT(group_.running() == 0); }

void CopyBody::start() { group_.spawn(send()); }

Task<void> CopyBody::stop() {
  is_stopped_ = true;
  changed_.notify_all();
  (void)co_await group_.join();
}

Task<void> CopyBody::send() {
  Sink sink{*this};
  if (size_bytes_ > 0) {
    const object::ByteRange range{first_, first_ + size_bytes_ - 1};
    Result<void> sent = co_await reader_.send(range, sink);
    if (!sent) source_error_ = sent.error();
  }
  has_ended_ = true;
  changed_.notify_all();
}

Task<Result<Buffer>> CopyBody::read(std::size_t max_bytes) {
  while (queue_.empty() && !has_ended_) co_await changed_.wait();
  if (queue_.empty()) {
    if (source_error_) co_return *source_error_;
    if (computed_) {
      checksum_ = {computed_->algorithm(), ChecksumType::full_object, computed_->finish()};
      computed_.reset();
    }
    co_return Buffer{};
  }
  Buffer& front = queue_.front();
  const std::size_t size = std::min(max_bytes, front.size());
  Buffer piece = front.slice(0, size);
  if (size == front.size()) {
    queue_.pop_front();
  } else {
    front = front.slice(size);
  }
  queued_bytes_ -= size;
  changed_.notify_all();
  if (computed_) co_await compute(piece);
  co_return piece;
}

// Long pieces are hashed beside the loop.
Task<void> CopyBody::compute(Buffer piece) {
  if (piece.size() < kInlineHashBytes) {
    computed_->update(piece);
    co_return;
  }
  std::function<void()> work = [this, piece] { computed_->update(piece); };
  co_await run_blocking_void(env_.blocking, std::move(work));
}

}  // namespace predastore::s3
