#include "object/hash_lane.h"

#include <algorithm>
#include <utility>

#include "env/blocking.h"

namespace predastore::object {

// ---- HashPool

// Lanes that are still here belong to uploads that were torn down with their loop.
HashPool::~HashPool() { batches_max_ = running_count_; }

void HashPool::enqueue(std::shared_ptr<HashLane> lane) {
  waiting_.push_back(std::move(lane));
  consider();
}

bool HashPool::is_time() const {
  if (waiting_.empty()) return false;
  if (is_hurried_ || memory_.is_short()) return true;
  if (waiting_.size() >= std::min(body_count_, digest::kMd5LanesMax)) return true;
  return std::ranges::any_of(waiting_, [](const auto& lane) { return lane->is_urgent(); });
}

void HashPool::consider() {
  if (running_count_ == batches_max_ || !is_time()) return;
  ++running_count_;
  tasks_.spawn(run());
}

void HashPool::hurry() {
  is_hurried_ = true;
  consider();
  is_hurried_ = !waiting_.empty() && running_count_ > 0;
}

Task<void> HashPool::run() {
  while (is_time()) {
    is_hurried_ = false;
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

HashLane::~HashLane() {
  if (!is_known_) return;
  --pool_.body_count_;
  pool_.consider();
}

void HashLane::add_inline(ByteSpan bytes) {
  PREDA_ASSERT(!is_busy_);
  md5_.update(bytes);
}

Task<void> HashLane::add(Buffer bytes, std::shared_ptr<void> hold) {
  queue_.push_back({std::move(bytes), std::move(hold)});
  if (!is_known_) {
    is_known_ = true;
    ++pool_.body_count_;
  }
  if (!is_busy_) {
    is_busy_ = true;
    pool_.enqueue(shared_from_this());
  } else if (is_urgent()) {
    pool_.consider();
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

void HashLane::end() {
  is_ending_ = true;
  if (is_busy_) pool_.consider();
}

Task<std::string> HashLane::finish() {
  PREDA_ASSERT(is_ending_);
  while (is_busy_) co_await changed_.wait();
  co_return md5_.finish();
}

}  // namespace predastore::object
