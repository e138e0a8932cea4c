#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace predastore {

// A number with a meaning of its own: explicit in, explicit out, comparison and hash, nothing else.
template <class T, class Tag>
class Strong {
 public:
  using raw_type = T;

  constexpr Strong() = default;
  constexpr explicit Strong(T value) : value_(value) {}
  constexpr T value() const { return value_; }
  friend constexpr auto operator<=>(const Strong&, const Strong&) = default;

 private:
  T value_{};
};

// The one that follows, for those of which that means something (epochs, indexes, generations).
template <class T, class Tag>
constexpr Strong<T, Tag> next(Strong<T, Tag> current) {
  return Strong<T, Tag>{static_cast<T>(current.value() + 1)};
}

}  // namespace predastore

template <class T, class Tag>
struct std::hash<predastore::Strong<T, Tag>> {
  std::size_t operator()(const predastore::Strong<T, Tag>& strong) const noexcept {
    return std::hash<T>{}(strong.value());
  }
};
