#include "object/hash_lane.h"

#include <utility>

#include "env/blocking.h"

namespace predastore::object {

// ---- HashPool

void HashPool::enqueue(std::shared_ptr<HashLane> lane) {
  waiting_.push_back(std::move(lane));
  if (running_count_ == batches_max_) return;
  ++running_count_;
  tasks_.spawn(run());
}

Task<void> HashPool::run() {
  while (!waiting_.empty()) {
    std::vector<std::shared_ptr<HashLane>> lanes;
    std::vector<digest::Md5Work> works;
    while (!waiting_.empty() && lanes.size() < digest::kMd5LanesMax) {
      lanes.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
      works.push_back(lanes.back()->begin_work());
    }
    auto work = [batch = &works] { digest::update_together(*batch); };
    co_await run_blocking(env_.blocking, std::move(work));
    for (std::shared_ptr<HashLane>& lane : lanes) {
      if (lane->end_work()) waiting_.push_back(std::move(lane));
    }
  }
  --running_count_;
}

// ---- HashLane

void HashLane::add_inline(ByteSpan bytes) {
  PREDA_ASSERT(!is_busy_);
  md5_.update(bytes);
}

Task<void> HashLane::add(Buffer bytes, std::shared_ptr<void> hold) {
  queue_.push_back({std::move(bytes), std::move(hold)});
  if (!is_busy_) {
    is_busy_ = true;
    pool_.enqueue(shared_from_this());
  }
  // Bounded by the hashing of what is queued.
  while (queue_.size() + in_work_.size() > backlog_max_) co_await changed_.wait();
}

digest::Md5Work HashLane::begin_work() {
  digest::Md5Work work{&md5_, {}};
  for (Piece& piece : queue_) {
    work.pieces.push_back(piece.bytes.bytes());
    in_work_.push_back(std::move(piece));
  }
  queue_.clear();
  return work;
}

bool HashLane::end_work() {
  in_work_.clear();
  is_busy_ = !queue_.empty();
  changed_.notify_all();
  return is_busy_;
}

Task<std::string> HashLane::finish() {
  while (is_busy_) co_await changed_.wait();
  co_return md5_.finish();
}

}  // namespace predastore::object
