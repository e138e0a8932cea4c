#include "env/thread_pool.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace predastore {

ThreadPool::ThreadPool(std::size_t thread_count) {
  PREDA_ASSERT(thread_count > 0);
  for (std::size_t i = 0; i < thread_count; ++i) threads_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::submit(Executor executor, std::function<void()> work, std::function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(Job{std::move(executor), std::move(work), std::move(done)});
  }
  changed_.notify_one();
}

void ThreadPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job.work();
    boost::asio::post(job.executor, std::move(job.done));
    job = {};
    lock.lock();
  }
}

}  // namespace predastore
