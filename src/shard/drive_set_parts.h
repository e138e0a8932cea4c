#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shard/drive_set.h"

// Only drive_*.cc see this.
namespace predastore::shard {

struct DriveSet::Drive {
  DriveId id;
  DrivePart part;
  bool is_unreconciled = false;
  std::string problem;  // why it was not opened, or taken out
  std::optional<Error> open_error;
  bool is_opening = false;
  RebuildProgress rebuild;  // while it is opened
  std::uint64_t opened_sequence = 0;
  std::unique_ptr<ShardStore> store;
  // Closed ones: who reads from them may still hold a part of their budget.
  std::vector<std::unique_ptr<ShardStore>> retired;
  double weight = 1;
  std::deque<Instant> errors;  // within the window
  bool is_told = false;        // that it failed
  bool is_taken_out = false;   // for its errors
  bool is_given_up = false;
  Instant failed_at;  // once is_told
  std::optional<Instant> reopened_at;
};

// Counts a call that close() has to wait for.
class SetInFlight {
 public:
  SetInFlight(std::size_t& count, Signal& idle) : count_(count), idle_(idle) { ++count_; }
  ~SetInFlight() {
    if (--count_ == 0) idle_.notify_all();
  }
  SetInFlight(const SetInFlight&) = delete;
  SetInFlight& operator=(const SetInFlight&) = delete;

 private:
  std::size_t& count_;
  Signal& idle_;
};

}  // namespace predastore::shard
