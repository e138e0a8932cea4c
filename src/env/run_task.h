#pragma once

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <optional>
#include <type_traits>

#include "env/loop.h"

namespace predastore {

namespace run_task_detail {

template <class T>
Task<void> store(Task<T> task, std::optional<T>* value) {
  value->emplace(co_await std::move(task));
}

}  // namespace run_task_detail

// Runs the loop on this thread until `task` is done: the bridge from a main or a test into
// coroutines.
inline void run_until_done(Loop& loop, Task<void> task) {
  bool is_done = false;
  std::exception_ptr thrown;
  boost::asio::co_spawn(loop.executor(), std::move(task), [&](std::exception_ptr error) {
    thrown = error;
    is_done = true;
  });
  while (!is_done) loop.run_one();
  if (thrown) std::rethrow_exception(thrown);
}

template <class T>
T run_until_done(Loop& loop, Task<T> task) {
  std::optional<T> value;
  run_until_done(loop, run_task_detail::store(std::move(task), &value));
  return std::move(*value);
}

}  // namespace predastore
