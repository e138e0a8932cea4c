#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "env/blocking.h"

namespace predastore {

// Blocking work on threads of its own, first come, first served. Destruction waits for what was
// submitted.
class ThreadPool final : public Blocking {
 public:
  explicit ThreadPool(std::size_t thread_count);
  ~ThreadPool() override;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  void submit(Executor executor, std::function<void()> work,
              std::function<void()> done) override;  // any thread

 private:
  struct Job {
    Executor executor;
    std::function<void()> work;
    std::function<void()> done;
  };
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool is_stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace predastore
