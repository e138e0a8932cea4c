#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "meta/state/view.h"
#include "ring/ring.h"

namespace predastore::meta {

// Rings of the epochs that layouts name, made once each: an epoch never changes. Any thread.
class RingCache {
 public:
  // None when there is no such epoch; a ring that this build cannot make fails the view.
  std::shared_ptr<const ring::Ring> find(StateView& view, RingEpoch epoch);

 private:
  std::mutex mutex_;
  std::map<RingEpoch, std::shared_ptr<const ring::Ring>> rings_;
};

}  // namespace predastore::meta
