#pragma once

#include <cstdint>
#include <vector>

#include "model/layout.h"

namespace predastore {

// A number that tells two lists of nodes and of the addresses where they listen apart, whatever
// their order. Nodes that have departed do not count.
std::uint64_t node_digest(const std::vector<NodeRecord>& nodes);

}  // namespace predastore
