#pragma once

#include "env/environment.h"
#include "rpc/rpc.h"
#include "shard/local_shards.h"
#include "shard/shard_service.h"

namespace predastore::shard {

// The shards of every node of the cluster: a direct call where the node is this one, an rpc where
// it is not.
class RoutedShardService final : public ShardService {
 public:
  // `local` may be null, for a host that stores nothing. Both outlive this.
  RoutedShardService(Environment env, NodeId self, LocalShards* local, rpc::Client& client)
      : env_(env), self_(self), local_(local), client_(client) {}

  Task<Result<std::unique_ptr<ShardWriter>>> create(NodeId node, ShardKey key, ShardStamp stamp,
                                                    Instant deadline) override;
  // At most kFetchSegmentsMax segments a call.
  Task<Result<std::vector<Segment>>> fetch(NodeId node, ShardKey key, WriteId write_id,
                                           SegmentIndex first, std::uint16_t count,
                                           Instant deadline) override;
  Task<Result<ShardInfo>> stat(NodeId node, ShardKey key, Instant deadline) override;
  Task<Result<void>> remove(NodeId node, std::vector<ShardRemoval> removals,
                            Instant deadline) override;

 private:
  Result<LocalShards*> local() const;

  Environment env_;
  NodeId self_;
  LocalShards* local_;
  rpc::Client& client_;
};

}  // namespace predastore::shard
