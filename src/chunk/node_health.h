#pragma once

#include <unordered_map>
#include <unordered_set>

#include "env/clock.h"
#include "model/ids.h"

namespace predastore::chunk {

enum class NodeUse { read, write };

// Which nodes failed a moment ago, so that a dead one does not cost a time-out a stripe. After the
// back-off one caller may try again, the others only when that went well. A failure to write also
// tells against reading; a slow read says nothing about writing. And which nodes said that their
// drives are near full, so that new shards go elsewhere if they can. On one loop.
class NodeHealth {
 public:
  NodeHealth(Clock& clock, Duration backoff_min, Duration backoff_max)
      : clock_(clock), backoff_min_(backoff_min), backoff_max_(backoff_max) {}

  // True for a good node, and for whoever asks first after its back-off.
  bool may_try(NodeId node, NodeUse use);
  // As may_try, without the right to be the one that tries.
  bool is_good(NodeId node, NodeUse use) const;
  void failed(NodeId node, NodeUse use);
  void succeeded(NodeId node, NodeUse use);

  void set_near_full(NodeId node, bool is_near_full);
  bool is_near_full(NodeId node) const { return near_full_.contains(node); }

 private:
  struct Failure {
    Duration backoff{};
    Instant not_before{};
    bool is_tried = false;  // somebody tries again
  };
  using Failures = std::unordered_map<NodeId, Failure>;  // looked up, never walked
  Failures& failures(NodeUse use) { return use == NodeUse::read ? read_ : write_; }
  void note(Failures& failures, NodeId node);

  Clock& clock_;
  Duration backoff_min_;
  Duration backoff_max_;
  Failures read_;
  Failures write_;
  std::unordered_set<NodeId> near_full_;  // looked up, never walked
};

}  // namespace predastore::chunk
