#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "digest/md5_lanes.h"
#include "env/environment.h"
#include "env/sync.h"
#include "object/memory_budget.h"

namespace predastore::object {

class HashLane;

// Hashes bodies beside the loop, what waits of several uploads together in SIMD lanes, which take
// the same time for one as for eight. So bytes wait for those of other bodies that are under way,
// but not until somebody would have to wait for their hash or for the memory they hold. On the
// loop.
class HashPool {
 public:
  // So many batches at the same time, each on a thread; `tasks` and `memory` outlive what is added.
  HashPool(Environment env, TaskGroup& tasks, const MemoryBudget& memory, std::size_t batches_max)
      : env_(env), tasks_(tasks), memory_(memory), batches_max_(batches_max) {}
  ~HashPool();

  // Somebody is about to wait for memory.
  void hurry();

 private:
  friend class HashLane;
  void enqueue(std::shared_ptr<HashLane> lane);
  void consider();  // whether it is time for a batch
  bool is_time() const;
  Task<void> run();

  Environment env_;
  TaskGroup& tasks_;
  const MemoryBudget& memory_;
  std::size_t batches_max_;
  bool is_hurried_ = false;
  std::size_t running_count_ = 0;
  std::size_t body_count_ = 0;  // that have come here and not ended
  std::deque<std::shared_ptr<HashLane>> waiting_;
};

// The MD5 of one body, computed while the bytes are on their way. On the loop.
class HashLane : public std::enable_shared_from_this<HashLane> {
 public:
  // `pool` outlives this.
  HashLane(Clock& clock, HashPool& pool, std::size_t backlog_max)
      : pool_(pool), backlog_max_(backlog_max), changed_(clock) {}
  ~HashLane();

  // On the loop, at once; only as long as add() was not called.
  void add_inline(ByteSpan bytes);
  // Keeps `bytes` and `hold` until they are hashed. Returns when the backlog has room again.
  Task<void> add(Buffer bytes, std::shared_ptr<void> hold);
  // No more comes, or nobody wants the hash any more: what is here waits for no other body.
  void end();
  // After end(): of everything, 16 raw bytes.
  Task<std::string> finish();

 private:
  friend class HashPool;
  struct Piece {
    Buffer bytes;
    std::shared_ptr<void> hold;
  };
  digest::Md5Work begin_work();
  bool end_work();  // false: nothing has come meanwhile
  bool is_urgent() const { return is_ending_ || 2 * queue_.size() >= backlog_max_; }

  HashPool& pool_;
  std::size_t backlog_max_;
  digest::Md5Stream md5_;
  std::deque<Piece> queue_;
  std::vector<Piece> in_work_;
  bool is_busy_ = false;   // waits in the pool, or is in work
  bool is_known_ = false;  // counts as a body of the pool
  bool is_ending_ = false;
  Signal changed_;
};

}  // namespace predastore::object
