#pragma once

#include <deque>
#include <memory>
#include <string>

#include "base/buffer.h"
#include "digest/hash.h"
#include "env/environment.h"
#include "env/sync.h"

namespace predastore::object {

// The MD5 of one body, computed beside the loop while the bytes are on their way: one stream, in
// batches of what is waiting. On the loop.
class HashLane : public std::enable_shared_from_this<HashLane> {
 public:
  // `tasks` outlives what is added.
  HashLane(Environment env, TaskGroup& tasks, std::size_t backlog_max)
      : env_(env), tasks_(tasks), backlog_max_(backlog_max), changed_(env.clock) {}

  // On the loop, at once; only as long as add() was not called.
  void add_inline(ByteSpan bytes);
  // Keeps `bytes` and `hold` until they are hashed. Returns when the backlog has room again.
  Task<void> add(Buffer bytes, std::shared_ptr<void> hold);
  // Of everything; 16 raw bytes.
  Task<std::string> finish();

 private:
  struct Piece {
    Buffer bytes;
    std::shared_ptr<void> hold;
  };
  static Task<void> run(std::shared_ptr<HashLane> self);

  Environment env_;
  TaskGroup& tasks_;
  std::size_t backlog_max_;
  digest::Md5 md5_;
  std::deque<Piece> queue_;
  std::size_t in_work_ = 0;
  bool is_running_ = false;
  Signal changed_;
};

}  // namespace predastore::object
