#pragma once

#include <deque>
#include <memory>
#include <string>

#include "shard/drive_set.h"

// Only drive_*.cc see this.
namespace predastore::shard {

struct DriveSet::Drive {
  DriveId id;
  DrivePart part;
  bool is_unreconciled = false;
  std::string problem;  // why it was not opened, or taken out
  std::unique_ptr<ShardStore> store;
  double weight = 1;
  std::deque<Instant> errors;  // within the window
  bool is_told = false;        // that it failed
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
