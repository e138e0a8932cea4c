#pragma once

#include "env/sync.h"
#include "meta/meta_service.h"
#include "node/member_replica.h"

namespace predastore::node {

// Lets replicas vote that are to do so once they have caught up: those that took the place of a
// voter (`node replace`). That they are to is a setting of the metadata (admin::promotion_of), so
// that the next leader goes on. By the node for which `is_active` says so. Used on one loop.
class Promotions {
 public:
  // All outlive this.
  Promotions(Environment env, meta::MetaService& meta, MemberReplica& members,
             std::function<bool()> is_active);

  Task<void> run();  // until stop()
  void stop();

 private:
  Task<void> look();
  Task<bool> is_done(NodeId node, Instant deadline);

  Environment env_;
  meta::MetaService& meta_;
  MemberReplica& members_;
  std::function<bool()> is_active_;
  bool is_stopping_ = false;
  Signal stopped_;
};

}  // namespace predastore::node
