#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kv/kv.h"
#include "meta/keys.h"
#include "meta/records.h"

namespace predastore::meta {

// A store with changes on top that are not written yet. Reads see the changes. A failure of the
// store, or a record that cannot be read, is kept (the first one) and makes every later read find
// nothing: whoever uses a view asks failure() before it believes or writes anything. That keeps
// such failures, which stop a replica, apart from refusals, which are answers. One thread.
class StateView {
 public:
  // Of a view from memory alone, which may be used on a loop, a failure may be Unavailable: then
  // nothing is wrong, and a view of the whole store tells.
  enum class From : std::uint8_t { store, memory };
  explicit StateView(kv::KeyValueStore& store, From from = From::store)
      : store_(store), from_(from) {}
  StateView(const StateView&) = delete;
  StateView& operator=(const StateView&) = delete;

  std::optional<std::string> get(kv::Family family, std::string_view key);
  bool has(kv::Family family, std::string_view key) { return get(family, key).has_value(); }
  void put(kv::Family family, std::string key, std::string value);
  void erase(kv::Family family, std::string key);

  template <class Message>
  std::optional<Message> get_record(kv::Family family, std::string_view key) {
    const auto bytes = get(family, key);
    if (!bytes) return std::nullopt;
    return decode<Message>(*bytes);
  }
  template <class Message>
  std::optional<Message> decode(std::string_view bytes) {
    return kept(decode_record<Message>(bytes));
  }
  // The value, or nothing after the error was kept.
  template <class T>
  std::optional<T> kept(Result<T> result) {
    if (result) return *std::move(result);
    fail(std::move(result).error());
    return std::nullopt;
  }

  void fail(Error error);
  const std::optional<Error>& failure() const { return failure_; }

  // From a mark on, changes can be taken back.
  void mark() { undo_.clear(); }
  void roll_back();
  kv::Batch batch() const;
  // Of all changes, going on from the one before.
  std::uint64_t hash(std::uint64_t before) const;

 private:
  friend class Cursor;
  using Value = std::optional<std::string>;  // none: erased
  using Changes = std::map<std::string, Value, std::less<>>;
  struct Undo {
    kv::Family family;
    std::string key;
    std::optional<Value> before;  // none: not changed before
  };
  void change(kv::Family family, std::string key, Value value);

  kv::KeyValueStore& store_;
  const From from_;
  std::map<kv::Family, Changes> changes_;
  std::vector<Undo> undo_;
  std::optional<Error> failure_;
};

// An ordered walk over one family of a view, with its changes. The view must not be changed while a
// cursor is used.
class Cursor {
 public:
  Cursor(StateView& view, kv::Family family);

  void seek(std::string_view key);
  bool valid() const { return is_valid_; }
  bool valid_within(std::string_view prefix) const {
    return is_valid_ && key().starts_with(prefix);
  }
  void next();
  std::string_view key() const { return is_changed_ ? changed_->first : stored_->key(); }
  std::string_view value() const { return is_changed_ ? *changed_->second : stored_->value(); }

 private:
  void settle();

  StateView& view_;
  std::unique_ptr<kv::Iterator> stored_;
  const StateView::Changes* changes_ = nullptr;
  StateView::Changes::const_iterator changed_;
  bool is_changed_ = false;
  bool is_valid_ = false;
};

}  // namespace predastore::meta
