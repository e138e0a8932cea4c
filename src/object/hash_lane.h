#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "digest/md5_lanes.h"
#include "env/environment.h"
#include "env/sync.h"

namespace predastore::object {

class HashLane;

// Hashes bodies beside the loop, what waits of several uploads together in SIMD lanes: while one
// batch is in work the next gathers. Nobody waits for others to come. On the loop.
class HashPool {
 public:
  // So many batches at the same time, each on a thread; `tasks` outlives what is added.
  HashPool(Environment env, TaskGroup& tasks, std::size_t batches_max)
      : env_(env), tasks_(tasks), batches_max_(batches_max) {}

 private:
  friend class HashLane;
  void enqueue(std::shared_ptr<HashLane> lane);
  Task<void> run();

  Environment env_;
  TaskGroup& tasks_;
  std::size_t batches_max_;
  std::size_t running_count_ = 0;
  std::deque<std::shared_ptr<HashLane>> waiting_;
};

// The MD5 of one body, computed while the bytes are on their way. On the loop.
class HashLane : public std::enable_shared_from_this<HashLane> {
 public:
  // `pool` outlives this.
  HashLane(Clock& clock, HashPool& pool, std::size_t backlog_max)
      : pool_(pool), backlog_max_(backlog_max), changed_(clock) {}

  // On the loop, at once; only as long as add() was not called.
  void add_inline(ByteSpan bytes);
  // Keeps `bytes` and `hold` until they are hashed. Returns when the backlog has room again.
  Task<void> add(Buffer bytes, std::shared_ptr<void> hold);
  // Of everything; 16 raw bytes.
  Task<std::string> finish();

 private:
  friend class HashPool;
  struct Piece {
    Buffer bytes;
    std::shared_ptr<void> hold;
  };
  digest::Md5Work begin_work();
  bool end_work();  // false: nothing has come meanwhile

  HashPool& pool_;
  std::size_t backlog_max_;
  digest::Md5Stream md5_;
  std::deque<Piece> queue_;
  std::vector<Piece> in_work_;
  bool is_busy_ = false;  // waits in the pool, or is in work
  Signal changed_;
};

}  // namespace predastore::object
