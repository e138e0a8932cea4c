#pragma once

#include <optional>
#include <utility>

#include "env/sync.h"
#include "s3/call.h"

namespace predastore::s3 {

// The answer of an operation that may take longer than a client waits for the first byte: a large
// copy, or the end of an upload while the cluster has no leader. As AWS does it, the head leaves
// with 200 when `Call::answer_patience` has passed, and white space follows as often; an error is
// then told in the body. Whatever is decided sooner is answered in the ordinary way.
class SlowAnswer {
 public:
  explicit SlowAnswer(Call& call)
      : call_(call),
        done_(call.services.env.clock),
        group_(call.services.env.executor, call.services.env.clock) {}

  // Runs `work` to its end, whether the client still listens or not.
  template <class T>
  Task<Result<T>> wait_for(Task<Result<T>> work) {
    std::optional<Result<T>> result;
    group_.spawn(run(std::move(work), result, done_));
    while (!result) {
      const Instant patience = call_.services.env.clock.now() + call_.answer_patience;
      const bool is_woken = co_await done_.wait_until(patience);
      if (!is_woken && !result) co_await keep_alive();
    }
    (void)co_await group_.join();
    co_return *std::move(result);
  }
  // What the operation came to: sent, if the answer has begun; `outcome` itself otherwise.
  Task<S3Result<Reply>> finish(S3Result<Reply> outcome);

 private:
  template <class T>
  static Task<void> run(Task<Result<T>> work, std::optional<Result<T>>& result, Signal& done) {
    result.emplace(co_await std::move(work));
    done.notify_all();
  }
  Task<void> keep_alive();
  Task<Result<void>> send(std::string text);

  Call& call_;
  Signal done_;
  TaskGroup group_;
  bool has_begun_ = false;
  std::optional<Error> failure_;  // the client has gone
};

}  // namespace predastore::s3
