#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/assert.h"

namespace predastore {

// What the caller can do about a failure. A code exists only if some caller acts on it.
enum class ErrorCode {
  NotFound,
  AlreadyExists,
  InvalidArgument,
  Conflict,     // a precondition or a comparison failed; nothing was changed
  NotLeader,    // ask again; nothing was changed
  StaleEpoch,   // the caller's ring or write epoch is too old
  Unavailable,  // nothing was changed; try again later or elsewhere
  TimedOut,     // the outcome is unknown
  Cancelled,
  Corruption,
  NoSpace,
  Io,
  Unauthorized,
  Unsupported,
  Internal,
};

std::string_view name_of(ErrorCode code);

// A code and one line of detail for people.
struct Error {
  ErrorCode code = ErrorCode::Internal;
  std::string detail;

  std::string to_string() const;
};

inline Error make_error(ErrorCode code, std::string detail = {}) {
  return Error{code, std::move(detail)};
}

// A value or an Error; member names are those of std::expected, which gcc 12 lacks in C++20.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}    // NOLINT
  Result(ErrorCode code) : state_(std::in_place_index<1>, Error{code, {}}) {}  // NOLINT

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    PREDA_ASSERT(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    PREDA_ASSERT(has_value());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    PREDA_ASSERT(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Error& error() & {
    PREDA_ASSERT(!has_value());
    return *std::get_if<1>(&state_);
  }
  const Error& error() const& {
    PREDA_ASSERT(!has_value());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    PREDA_ASSERT(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : state_(std::move(error)) {}    // NOLINT: implicit by design
  Result(ErrorCode code) : state_(Error{code, {}}) {}  // NOLINT

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  void value() const { PREDA_ASSERT(has_value()); }
  void operator*() const { value(); }

  Error& error() & {
    PREDA_ASSERT(!has_value());
    return *std::get_if<1>(&state_);
  }
  const Error& error() const& {
    PREDA_ASSERT(!has_value());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    PREDA_ASSERT(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<std::monostate, Error> state_;
};

}  // namespace predastore

#define PREDA_CONCAT_IMPL(a, b) a##b
#define PREDA_CONCAT(a, b) PREDA_CONCAT_IMPL(a, b)
#define PREDA_UNIQUE(prefix) PREDA_CONCAT(prefix, __LINE__)

#define PREDA_CHECK_IMPL(ret, tmp, ...) \
  auto tmp = (__VA_ARGS__);             \
  if (!tmp.has_value()) ret std::move(tmp).error()
#define PREDA_TRY_IMPL(ret, tmp, decl, ...) \
  PREDA_CHECK_IMPL(ret, tmp, __VA_ARGS__);  \
  decl = *std::move(tmp)

// Return the error of an expression to the caller, or go on (with its value). Statement form only.
// The PREDA_CO_ twins are for coroutines.
#define PREDA_CHECK(...) PREDA_CHECK_IMPL(return, PREDA_UNIQUE(preda_result_), __VA_ARGS__)
#define PREDA_TRY(decl, ...) PREDA_TRY_IMPL(return, PREDA_UNIQUE(preda_result_), decl, __VA_ARGS__)
#define PREDA_CO_CHECK(...) PREDA_CHECK_IMPL(co_return, PREDA_UNIQUE(preda_result_), __VA_ARGS__)
#define PREDA_CO_TRY(decl, ...) \
  PREDA_TRY_IMPL(co_return, PREDA_UNIQUE(preda_result_), decl, __VA_ARGS__)
