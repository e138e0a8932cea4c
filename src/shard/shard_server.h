#pragma once

#include "env/environment.h"
#include "rpc/rpc.h"
#include "shard/local_shards.h"

namespace predastore::shard {

// Answers fetch_shard, store_shard, delete_shards and stat_shards of other nodes from the local
// store. Outlives the rpc server's run().
class ShardServer {
 public:
  ShardServer(Environment env, LocalShards& store, Duration idle_timeout = 30s)
      : env_(env), store_(store), idle_timeout_(idle_timeout) {}
  void attach(rpc::Server& server);  // before server.run()

 private:
  Task<void> serve_fetch(rpc::Call call);
  Task<void> serve_store(rpc::Call call);
  Task<void> serve_delete(rpc::Call call);
  Task<void> serve_stat(rpc::Call call);
  Task<Result<void>> receive_shard(rpc::Call& call, ShardKey key, ShardStamp stamp);

  Environment env_;
  LocalShards& store_;
  Duration idle_timeout_;  // between the segments of a shard that is being written
};

}  // namespace predastore::shard
