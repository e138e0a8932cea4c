#include "object/hash_lane.h"

#include <utility>
#include <vector>

#include "env/blocking.h"

namespace predastore::object {

void HashLane::add_inline(ByteSpan bytes) {
  PREDA_ASSERT(!is_running_);
  md5_.update(bytes);
}

Task<void> HashLane::add(Buffer bytes, std::shared_ptr<void> hold) {
  queue_.push_back({std::move(bytes), std::move(hold)});
  if (!is_running_) {
    is_running_ = true;
    tasks_.spawn(run(shared_from_this()));
  }
  // Bounded by the hashing of what is queued.
  while (queue_.size() + in_work_ > backlog_max_) co_await changed_.wait();
}

Task<void> HashLane::run(std::shared_ptr<HashLane> self) {
  while (!self->queue_.empty()) {
    std::vector<Piece> batch;
    while (!self->queue_.empty()) {
      batch.push_back(std::move(self->queue_.front()));
      self->queue_.pop_front();
    }
    self->in_work_ = batch.size();
    auto work = [hash = &self->md5_, pieces = &batch] {
      for (const Piece& piece : *pieces) hash->update(piece.bytes);
    };
    co_await run_blocking(self->env_.blocking, std::move(work));
    batch.clear();
    self->in_work_ = 0;
    self->changed_.notify_all();
  }
  self->is_running_ = false;
  self->changed_.notify_all();
}

Task<std::string> HashLane::finish() {
  while (is_running_) co_await changed_.wait();
  co_return md5_.finish();
}

}  // namespace predastore::object
