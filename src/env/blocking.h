#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "env/task.h"

namespace predastore {

// Work that would hold up a loop (disk, RocksDB, long hashing) runs on a thread pool in production,
// at once or after a drawn delay on the only thread in the simulator. `done` is posted to
// `executor`.
class Blocking {
 public:
  virtual ~Blocking() = default;
  virtual void submit(Executor executor, std::function<void()> work,
                      std::function<void()> done) = 0;
};

Task<void> run_blocking_void(Blocking& blocking, std::function<void()> work);

// Runs `work` beside the loop and resumes the caller on its own executor with what it returned.
// What `work` refers to must live until then, which a local of the awaiting coroutine does.
template <class Work>
Task<std::invoke_result_t<Work&>> run_blocking(Blocking& blocking, Work work) {
  using T = std::invoke_result_t<Work&>;
  if constexpr (std::is_void_v<T>) {
    std::function<void()> call = std::move(work);
    co_await run_blocking_void(blocking, std::move(call));
  } else {
    auto slot = std::make_shared<std::optional<T>>();
    auto held = std::make_shared<Work>(std::move(work));
    std::function<void()> call = [slot, held] { slot->emplace((*held)()); };
    co_await run_blocking_void(blocking, std::move(call));
    co_return std::move(**slot);
  }
}

}  // namespace predastore
