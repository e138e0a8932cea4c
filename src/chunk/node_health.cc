#include "chunk/node_health.h"

#include <algorithm>

namespace predastore::chunk {

bool NodeHealth::is_good(NodeId node, NodeUse use) const {
  const Failures& known = use == NodeUse::read ? read_ : write_;
  return !known.contains(node);
}

bool NodeHealth::may_try(NodeId node, NodeUse use) {
  Failures& known = failures(use);
  const auto found = known.find(node);
  if (found == known.end()) return true;
  if (clock_.now() < found->second.not_before) return false;
  found->second.not_before = clock_.now() + found->second.backoff;
  found->second.is_tried = true;
  return true;
}

void NodeHealth::failed(NodeId node, NodeUse use) {
  note(failures(use), node);
  if (use == NodeUse::write && is_good(node, NodeUse::read)) note(read_, node);
}

void NodeHealth::succeeded(NodeId node, NodeUse use) { failures(use).erase(node); }

void NodeHealth::set_near_full(NodeId node, bool is_near_full) {
  if (is_near_full) {
    near_full_.insert(node);
  } else {
    near_full_.erase(node);
  }
}

void NodeHealth::note(Failures& failures, NodeId node) {
  Failure& failure = failures[node];
  const Instant now = clock_.now();
  // Those that were under way together fail together; that is one failure.
  if (now < failure.not_before && !failure.is_tried) return;
  failure.is_tried = false;
  failure.backoff = failure.backoff == Duration{}
                        ? backoff_min_
                        : std::min<Duration>(failure.backoff * 2, backoff_max_);
  failure.not_before = now + failure.backoff;
}

}  // namespace predastore::chunk
