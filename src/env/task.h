#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>

#include "base/result.h"

namespace predastore {

// A lazily started coroutine. Parameters of a task are taken by value (never references or spans,
// unless the caller awaits it in the same full expression). No lock is held and nothing is assumed
// unchanged across a co_await.
template <class T = void>
using Task = boost::asio::awaitable<T>;

using Executor = boost::asio::any_io_executor;

}  // namespace predastore
