#pragma once

namespace predastore {

// Prints where and what, then aborts. Called by PREDA_ASSERT only.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace predastore

// Bugs are not errors: a broken invariant stops the process, in release builds too, before it can
// write wrong bytes.
#define PREDA_ASSERT(condition)                                       \
  do {                                                                \
    if (!(condition)) [[unlikely]] {                                  \
      ::predastore::assertion_failed(#condition, __FILE__, __LINE__); \
    }                                                                 \
  } while (false)
