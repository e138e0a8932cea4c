#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace predastore::crypto {

// Text that must not reach a log: it has no formatter and no operator<<, and is wiped when it is
// destroyed. Whoever needs the bytes says so with reveal().
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret& other);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();

  std::string_view reveal() const { return text_; }
  bool empty() const { return text_.empty(); }
  friend bool operator==(const Secret& a, const Secret& b);  // in constant time for equal lengths

 private:
  void wipe() noexcept;
  std::string text_;
};

// `length` characters of A-Z a-z 0-9, uniform, from the system's cryptographic generator.
Result<Secret> random_secret_text(std::size_t length);

}  // namespace predastore::crypto
