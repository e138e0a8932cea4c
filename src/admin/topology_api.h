#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "admin/growth_request.h"
#include "admin/member_api.h"
#include "admin/status.h"
#include "env/environment.h"
#include "meta/growth.h"
#include "meta/meta_service.h"
#include "repair/ring_change.h"

namespace predastore::admin {

// /v1/nodes and /v1/ring of the administration: which nodes there are, and where chunks belong. A
// change of the ring is staged, looked at, and applied; draining, removing and replacing apply
// theirs at once. After each the job that moves shards is started. Used on one loop.
class TopologyApi {
 public:
  // All outlive this.
  TopologyApi(Environment env, ClusterView& view, meta::MetaService& meta, meta::Growth& growth,
              Membership& membership)
      : env_(env), view_(view), meta_(meta), growth_(growth), membership_(membership) {}

  Task<Result<std::string>> answer(GrowthRequest request);  // JSON

 private:
  struct Staged {
    RingRecord ring;
    RingEpoch from;
  };
  Task<Result<std::string>> answer_nodes(GrowthRequest request);
  Task<Result<std::string>> answer_ring(GrowthRequest request);
  Task<Result<std::string>> list_nodes();
  Task<Result<std::string>> put_node(std::string body);
  Task<Result<std::string>> join(NodeRecord node, std::string body);
  Task<Result<std::string>> drain(NodeRecord node);
  Task<Result<std::string>> activate(NodeRecord node);
  Task<Result<std::string>> remove(NodeRecord node, bool is_dead);
  Task<Result<std::string>> replace(NodeRecord node, std::string with);
  Task<Result<std::string>> show_ring();
  Task<Result<std::string>> assign(std::string body);
  Task<Result<std::string>> apply(std::string body);
  Task<Result<std::string>> revert();

  Task<Result<NodeRecord>> find_node(std::string name);
  Task<Result<bool>> is_up(NodeId node);
  Task<Result<void>> wait_until_known();
  Task<Result<std::optional<Staged>>> staged();
  Task<Result<repair::RingPreview::Counts>> count(RingRecord ring);
  Task<Result<void>> leave_ring(NodeId node);
  Task<Result<void>> leave_group(NodeId node);
  Task<Result<void>> give_vote(NodeId from, NodeId to);
  Task<Result<std::uint64_t>> start_rebalance();
  Instant deadline() const;
  std::int64_t now_ms() const;

  Environment env_;
  ClusterView& view_;
  meta::MetaService& meta_;
  meta::Growth& growth_;
  Membership& membership_;
};

}  // namespace predastore::admin
