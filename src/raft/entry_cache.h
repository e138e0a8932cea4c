#pragma once

#include <deque>
#include <vector>

#include "base/assert.h"
#include "raft/core/core.h"

namespace predastore::raft {

// The end of the log in memory: what is not stored yet, and as much of what is as fits, so that
// followers that keep up and the state machine never read the disk.
class EntryCache {
 public:
  explicit EntryCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // Replaces what it holds from entries.front() on.
  void put(const std::vector<Entry>& entries) {
    if (entries.empty()) return;
    while (!entries_.empty() && entries_.back().index >= entries.front().index) pop_back();
    // What follows a cut below its beginning begins anew.
    PREDA_ASSERT(entries_.empty() || entries_.back().index + 1 == entries.front().index);
    for (const Entry& entry : entries) {
      bytes_ += cost(entry);
      entries_.push_back(entry);
    }
  }
  bool holds(std::uint64_t index) const {
    return !entries_.empty() && index >= entries_.front().index && index <= entries_.back().index;
  }
  const Entry& at(std::uint64_t index) const {
    PREDA_ASSERT(holds(index));
    return entries_[index - entries_.front().index];
  }
  std::size_t bytes() const { return bytes_; }
  void clear() {
    entries_.clear();
    bytes_ = 0;
  }
  // Forgets the oldest beyond the limit, but nothing after `stored_index`.
  void trim(std::uint64_t stored_index) {
    while (bytes_ > bytes_max_ && !entries_.empty() && entries_.front().index <= stored_index) {
      bytes_ -= cost(entries_.front());
      entries_.pop_front();
    }
  }

 private:
  static std::size_t cost(const Entry& entry) { return sizeof(Entry) + entry.command.size(); }
  void pop_back() {
    bytes_ -= cost(entries_.back());
    entries_.pop_back();
  }

  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::deque<Entry> entries_;
};

}  // namespace predastore::raft
