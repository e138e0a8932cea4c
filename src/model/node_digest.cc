#include "model/node_digest.h"

#include "base/codec.h"
#include "digest/crc.h"

namespace predastore {

std::uint64_t node_digest(const std::vector<NodeRecord>& nodes) {
  std::uint64_t digest = 0;
  for (const NodeRecord& node : nodes) {
    if (node.is_departed) continue;
    Encoder out;
    out.le(node.node.value()).string(node.cluster_address);
    digest += digest::crc64nvme(as_bytes(out.str()), 0);
  }
  return digest;
}

}  // namespace predastore
