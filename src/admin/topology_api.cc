#include "admin/topology_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "admin/growth_json.h"
#include "admin/join_record.h"
#include "base/text.h"
#include "model/node_digest.h"

namespace predastore::admin {

namespace json = boost::json;

namespace {

constexpr Duration kTimeout = 10s;
constexpr Duration kLookTimeout = 1500ms;
constexpr Duration kNodesLearn = 10s;  // they look every second
constexpr Duration kAskAgainAfter = 200ms;
constexpr const char* kStagedSetting = "ring.staged";
constexpr std::uint32_t kPage = 1000;
constexpr std::uint64_t kCountedMax = 5'000'000;

Result<NodeId> node_id_of(const std::string& text) {
  const auto raw = from_hex(text);
  if (!raw || raw->size() != sizeof(std::uint64_t))
    return make_error(ErrorCode::InvalidArgument, "\"id\" is to be 16 hexadecimal digits");
  std::uint64_t value = 0;
  for (const auto byte : *raw) value = value << 8 | static_cast<unsigned char>(byte);
  return NodeId{value};
}

json::object counts_json(const repair::RingPreview::Counts& counts,
                         const std::vector<NodeRecord>& nodes) {
  json::object object;
  object["chunks"] = counts.chunks;
  object["chunks_moving"] = counts.chunks_moving;
  object["shards_moving"] = counts.shards_moving;
  object["bytes_moving"] = counts.bytes_moving;
  object["chunks_stuck"] = counts.chunks_stuck;
  json::object by_node;
  const auto at = [](const std::map<NodeId, std::uint64_t>& map, NodeId node) {
    const auto found = map.find(node);
    return found == map.end() ? std::uint64_t{0} : found->second;
  };
  for (const NodeRecord& node : nodes) {
    if (node.is_departed) continue;
    json::object shards;
    shards["before"] = at(counts.shards_before, node.node);
    shards["after"] = at(counts.shards_after, node.node);
    by_node[node.name] = std::move(shards);
  }
  object["shards"] = std::move(by_node);
  return object;
}

}  // namespace

Instant TopologyApi::deadline() const { return env_.clock.now() + kTimeout; }

Task<Result<std::string>> TopologyApi::answer(GrowthRequest request) {
  if (request.collection == "nodes") co_return co_await answer_nodes(std::move(request));
  co_return co_await answer_ring(std::move(request));
}

// ---- nodes

Task<Result<std::string>> TopologyApi::answer_nodes(GrowthRequest request) {
  if (request.name.empty()) {
    if (request.method == "GET") co_return co_await list_nodes();
    if (request.method == "POST") co_return co_await put_node(std::move(request.body));
    co_return make_error(ErrorCode::InvalidArgument, "GET or POST");
  }
  if (request.method != "POST") co_return nothing_there();
  PREDA_CO_TRY(const json::object wanted, object_of(request.body));
  PREDA_CO_TRY(NodeRecord node, co_await find_node(request.name));
  if (request.action == "drain") co_return co_await drain(std::move(node));
  if (request.action == "activate") co_return co_await activate(std::move(node));
  if (request.action == "join") co_return co_await join(std::move(node), request.body);
  if (request.action == "replace")
    co_return co_await replace(std::move(node), text_of(wanted, "with"));
  if (request.action != "remove") co_return nothing_there();
  const json::value* dead = wanted.if_contains("dead");
  const bool is_dead = dead != nullptr && dead->is_bool() && dead->as_bool();
  co_return co_await remove(std::move(node), is_dead);
}

Task<Result<std::string>> TopologyApi::list_nodes() {
  PREDA_CO_TRY(const meta::Topology topology, co_await growth_.topology(deadline()));
  const ClusterReport report = co_await view_.look(env_.clock.now() + kLookTimeout);
  json::array list;
  for (const NodeRecord& node : topology.nodes) {
    json::object object = node_json(node, topology);
    const auto seen = std::ranges::find(report.nodes, node.node, &NodeReport::id);
    object["up"] = seen != report.nodes.end() && seen->is_up;
    if (seen != report.nodes.end()) object["voter"] = seen->is_voter;
    if (seen != report.nodes.end()) {
      object["used_bytes"] = seen->used_bytes;
      object["capacity_bytes"] = seen->capacity_bytes;
    }
    list.push_back(std::move(object));
  }
  json::object body;
  body["nodes"] = std::move(list);
  co_return json::serialize(body);
}

Task<Result<NodeRecord>> TopologyApi::find_node(std::string name) {
  PREDA_CO_TRY(const meta::Topology topology, co_await growth_.topology(deadline()));
  for (const NodeRecord& node : topology.nodes) {
    if (node.is_departed) continue;
    if (node.name == name || fmt::format("{:016x}", node.node.value()) == name) co_return node;
  }
  co_return make_error(ErrorCode::NotFound, "there is no node \"" + name + "\"");
}

Task<Result<bool>> TopologyApi::is_up(NodeId node) {
  const Instant until = env_.clock.now() + kNodesLearn;
  for (;;) {
    const ClusterReport report = co_await view_.look(env_.clock.now() + kLookTimeout);
    const auto found = std::ranges::find(report.nodes, node, &NodeReport::id);
    if (found != report.nodes.end()) co_return found->is_up;
    if (env_.clock.now() >= until)
      co_return make_error(ErrorCode::Unavailable, "the node is not known here yet; come again");
    co_await sleep_for(env_.clock, kAskAgainAfter);  // it was registered a moment ago
  }
}

// Every node that is up has the address of a new one before it is to write there. One that does not
// tell is of a version that looked every second as well.
Task<Result<void>> TopologyApi::wait_until_known() {
  const Instant until = env_.clock.now() + kNodesLearn;
  for (;;) {
    PREDA_CO_TRY(const meta::Topology topology, co_await growth_.topology(deadline()));
    const std::uint64_t digest = node_digest(topology.nodes);
    const ClusterReport report = co_await view_.look(env_.clock.now() + kLookTimeout);
    const auto behind = std::ranges::find_if(report.nodes, [digest](const NodeReport& node) {
      return node.is_up && node.node_digest != 0 && node.node_digest != digest;
    });
    if (behind == report.nodes.end()) co_return Result<void>{};
    if (env_.clock.now() >= until)
      co_return make_error(ErrorCode::Unavailable,
                           "node " + behind->name + " does not know all nodes yet; come again");
    co_await sleep_for(env_.clock, kAskAgainAfter);
  }
}

Task<Result<std::string>> TopologyApi::put_node(std::string body) {
  PREDA_CO_TRY(const json::object wanted, object_of(body));
  NodeRecord node;
  PREDA_CO_TRY(node.node, node_id_of(text_of(wanted, "id")));
  node.name = text_of(wanted, "name");
  node.cluster_address = text_of(wanted, "cluster");
  node.s3_address = text_of(wanted, "s3");
  node.admin_address = text_of(wanted, "admin");
  if (wanted.contains("token")) {
    // First of all: a node that is registered without it could not be joined by its token.
    PREDA_CO_TRY(
        const JoinRecord record,
        issued_token(text_of(wanted, "token"),
                     static_cast<std::int64_t>(number_of(wanted, "expires_ms", 0)), now_ms()));
    meta::SettingChange change{join_setting(node.node), std::nullopt, encode_join_record(record)};
    PREDA_CO_CHECK(co_await meta_.change_setting(std::move(change), deadline()));
  }
  PREDA_CO_CHECK(co_await growth_.put_node(node, deadline()));
  PREDA_CO_TRY(const meta::Topology topology, co_await growth_.topology(deadline()));
  co_return json::serialize(node_json(node, topology));
}

std::int64_t TopologyApi::now_ms() const {
  return env_.clock.wall_now().time_since_epoch().count();
}

// By comparison with what was read, so that of two machines one is refused.
Task<Result<std::string>> TopologyApi::join(NodeRecord node, std::string body) {
  PREDA_CO_TRY(const json::object wanted, object_of(body));
  PREDA_CO_TRY(const auto stored, co_await meta_.get_setting(join_setting(node.node), deadline()));
  const JoinClaim claim{text_of(wanted, "token"), text_of(wanted, "machine")};
  PREDA_CO_TRY(const JoinRecord record, claim_join(stored, claim, now_ms()));
  std::string text = encode_join_record(record);
  if (text != *stored) {
    meta::SettingChange change{join_setting(node.node), stored, std::move(text)};
    PREDA_CO_CHECK(co_await meta_.change_setting(std::move(change), deadline()));
  }
  co_return fmt::format("{{\"node\":\"{}\",\"state\":\"joined\"}}", node.name);
}

Task<Result<std::uint64_t>> TopologyApi::start_rebalance() {
  const auto started = co_await growth_.start_job(JobKind::rebalance, {}, deadline());
  if (started) co_return started->id.value();
  if (started.error().code != ErrorCode::AlreadyExists) co_return started.error();
  PREDA_CO_TRY(const std::vector<JobRecord> jobs, co_await growth_.jobs(deadline()));
  for (const JobRecord& job : jobs) {
    if (job.kind == JobKind::rebalance && is_active(job.state)) co_return job.id.value();
  }
  co_return make_error(ErrorCode::Unavailable, "the job has just ended; come again");
}

// The ring without the node, if it names it.
Task<Result<void>> TopologyApi::leave_ring(NodeId node) {
  PREDA_CO_TRY(const meta::Topology topology, co_await growth_.topology(deadline()));
  if (!repair::names(topology.ring, node)) co_return Result<void>{};
  PREDA_CO_TRY(RingRecord ring, repair::without_node(topology.ring, node));
  co_return co_await growth_.new_ring(topology.ring.epoch, std::move(ring), deadline());
}

// Its replica of the metadata goes with it, if it has one; refused when that costs the majority.
Task<Result<void>> TopologyApi::leave_group(NodeId node) {
  auto left = co_await membership_.change(MemberVerb::remove, node, deadline());
  if (!left && left.error().code == ErrorCode::NotFound) co_return Result<void>{};
  co_return left;
}

// First the ring, which is refused when it would get too narrow; then the node is closed. All of it
// can be repeated.
Task<Result<std::string>> TopologyApi::drain(NodeRecord node) {
  PREDA_CO_CHECK(co_await leave_ring(node.node));
  PREDA_CO_CHECK(co_await growth_.set_node_state(node.node, meta::NodeState::draining, deadline()));
  PREDA_CO_TRY(const std::uint64_t job, co_await start_rebalance());
  co_return fmt::format("{{\"node\":\"{}\",\"state\":\"draining\",\"job\":{}}}", node.name, job);
}

Task<Result<std::string>> TopologyApi::activate(NodeRecord node) {
  PREDA_CO_CHECK(co_await growth_.set_node_state(node.node, meta::NodeState::active, deadline()));
  co_return fmt::format("{{\"node\":\"{}\",\"state\":\"active\"}}", node.name);
}

Task<Result<std::string>> TopologyApi::remove(NodeRecord node, bool is_dead) {
  PREDA_CO_TRY(const meta::Topology topology, co_await growth_.topology(deadline()));
  if (!is_dead) {
    if (!topology.draining.contains(node.node))
      co_return make_error(ErrorCode::Conflict,
                           "the node is to be drained first, or to be dead (--dead)");
    PREDA_CO_TRY(const repair::RingPreview::Counts counts, co_await count(topology.ring));
    const auto left = counts.shards_before.find(node.node);
    if (left != counts.shards_before.end())
      co_return make_error(
          ErrorCode::Conflict,
          fmt::format("{} shards are still on the node; its job is not done", left->second));
  } else {
    PREDA_CO_TRY(const bool up, co_await is_up(node.node));
    if (up) co_return make_error(ErrorCode::Conflict, "the node is up; drain it instead");
    PREDA_CO_CHECK(co_await leave_ring(node.node));
  }
  PREDA_CO_CHECK(co_await leave_group(node.node));
  PREDA_CO_CHECK(co_await growth_.set_node_state(node.node, meta::NodeState::departed, deadline()));
  PREDA_CO_TRY(const std::uint64_t job, co_await start_rebalance());
  co_return fmt::format("{{\"node\":\"{}\",\"state\":\"departed\",\"job\":{}}}", node.name, job);
}

// A voter that goes leaves a vote for the new node, which learns from then on, and votes when it
// has caught up. That it is to is written down before the old one goes.
Task<Result<void>> TopologyApi::give_vote(NodeId from, NodeId to) {
  PREDA_CO_TRY(const GroupReport group, co_await membership_.group(deadline()));
  const auto replica_of = [&](NodeId node) {
    return std::ranges::find(group.members, node, &MemberReport::node) != group.members.end();
  };
  if (!replica_of(from)) co_return Result<void>{};
  const bool votes = std::ranges::any_of(
      group.members, [&](const MemberReport& each) { return each.node == from && each.is_voter; });
  if (votes) {
    PREDA_CO_CHECK(co_await meta_.put_setting(promotion_of(to), "1", deadline()));
  }
  if (!replica_of(to)) {
    PREDA_CO_CHECK(co_await membership_.change(MemberVerb::add, to, deadline()));
  }
  co_return co_await leave_group(from);
}

Task<Result<std::string>> TopologyApi::replace(NodeRecord node, std::string with) {
  PREDA_CO_TRY(const NodeRecord other, co_await find_node(std::move(with)));
  PREDA_CO_TRY(const bool is_new_up, co_await is_up(other.node));
  if (!is_new_up) co_return make_error(ErrorCode::Conflict, "the new node is not up");
  PREDA_CO_TRY(const bool up, co_await is_up(node.node));
  PREDA_CO_TRY(const meta::Topology topology, co_await growth_.topology(deadline()));
  if (repair::names(topology.ring, node.node)) {
    PREDA_CO_CHECK(co_await wait_until_known());
    PREDA_CO_TRY(RingRecord ring, repair::with_replaced(topology.ring, node.node, other.node));
    PREDA_CO_CHECK(co_await growth_.new_ring(topology.ring.epoch, std::move(ring), deadline()));
  }
  PREDA_CO_CHECK(co_await give_vote(node.node, other.node));
  const meta::NodeState state = up ? meta::NodeState::draining : meta::NodeState::departed;
  PREDA_CO_CHECK(co_await growth_.set_node_state(node.node, state, deadline()));
  PREDA_CO_TRY(const std::uint64_t job, co_await start_rebalance());
  co_return fmt::format("{{\"node\":\"{}\",\"state\":\"{}\",\"job\":{}}}", node.name,
                        up ? "draining" : "departed", job);
}

// ---- the ring

Task<Result<std::string>> TopologyApi::answer_ring(GrowthRequest request) {
  if (request.name.empty() && request.method == "GET") co_return co_await show_ring();
  if (request.method != "POST") co_return nothing_there();
  if (request.name == "assign") co_return co_await assign(std::move(request.body));
  if (request.name == "apply") co_return co_await apply(std::move(request.body));
  if (request.name == "revert") co_return co_await revert();
  co_return nothing_there();
}

// None as well when the ring has changed since it was staged.
Task<Result<std::optional<TopologyApi::Staged>>> TopologyApi::staged() {
  PREDA_CO_TRY(const auto text, co_await meta_.get_setting(kStagedSetting, deadline()));
  std::optional<Staged> none;
  if (!text || text->empty()) co_return none;
  PREDA_CO_TRY(const json::object object, object_of(*text));
  Staged found;
  PREDA_CO_TRY(found.ring, ring_of(object));
  found.from = RingEpoch{static_cast<std::uint32_t>(number_of(object, "epoch", 0))};
  co_return std::optional<Staged>{std::move(found)};
}

Task<Result<repair::RingPreview::Counts>> TopologyApi::count(RingRecord record) {
  PREDA_CO_TRY(ring::Ring ring, ring::Ring::make(record));
  repair::RingPreview preview{std::move(ring)};
  std::string after;
  while (preview.counts().chunks < kCountedMax) {
    PREDA_CO_TRY(const std::vector<ChunkLayout> page,
                 co_await meta_.layouts_after(after, kPage, deadline()));
    if (page.empty()) break;
    for (const ChunkLayout& layout : page) preview.add(layout);
    after = chunk_key(page.back().object_id, page.back().chunk_index);
  }
  co_return preview.counts();
}

Task<Result<std::string>> TopologyApi::show_ring() {
  PREDA_CO_TRY(const meta::Topology topology, co_await growth_.topology(deadline()));
  PREDA_CO_TRY(const auto change, co_await staged());
  json::object body;
  body["current"] = ring_json(topology.ring, topology.nodes);
  body["epochs"] = epochs_json(topology);
  const bool is_staged = change && change->from == topology.ring.epoch;
  if (is_staged) {
    json::object object = ring_json(change->ring, topology.nodes);
    object["version"] = next(topology.ring.epoch).value();
    body["staged"] = std::move(object);
  }
  const RingRecord& wanted = is_staged ? change->ring : topology.ring;
  PREDA_CO_TRY(const repair::RingPreview::Counts counts, co_await count(wanted));
  body["preview"] = counts_json(counts, topology.nodes);
  co_return json::serialize(body);
}

Task<Result<std::string>> TopologyApi::assign(std::string body) {
  PREDA_CO_TRY(const json::object wanted, object_of(body));
  PREDA_CO_TRY(const NodeRecord node, co_await find_node(text_of(wanted, "node")));
  PREDA_CO_TRY(const meta::Topology topology, co_await growth_.topology(deadline()));
  PREDA_CO_TRY(const auto change, co_await staged());
  RingRecord ring = topology.ring;
  if (change && change->from == topology.ring.epoch) ring = change->ring;
  const json::value* remove = wanted.if_contains("remove");
  if (remove != nullptr && remove->is_bool() && remove->as_bool()) {
    PREDA_CO_TRY(ring, repair::without_node(std::move(ring), node.node));
  } else {
    const auto weight = static_cast<std::uint32_t>(number_of(wanted, "weight", 100));
    PREDA_CO_TRY(ring,
                 repair::with_node(std::move(ring), node.node, weight, text_of(wanted, "zone")));
  }
  json::object text = ring_json(ring, topology.nodes);
  text["epoch"] = topology.ring.epoch.value();
  PREDA_CO_CHECK(co_await meta_.put_setting(kStagedSetting, json::serialize(text), deadline()));
  co_return co_await show_ring();
}

Task<Result<std::string>> TopologyApi::apply(std::string body) {
  PREDA_CO_TRY(const json::object wanted, object_of(body));
  PREDA_CO_TRY(const meta::Topology topology, co_await growth_.topology(deadline()));
  PREDA_CO_TRY(auto change, co_await staged());
  if (!change || change->from != topology.ring.epoch)
    co_return make_error(ErrorCode::Conflict, "there is no change of the ring to be applied");
  const std::uint32_t version = next(topology.ring.epoch).value();
  if (number_of(wanted, "version", 0) != version)
    co_return make_error(ErrorCode::Conflict,
                         fmt::format("the change that is staged is version {}", version));
  for (const RingSlot& slot : change->ring.slots) {
    if (repair::names(topology.ring, slot.node)) continue;
    PREDA_CO_TRY(const bool up, co_await is_up(slot.node));
    if (!up) co_return make_error(ErrorCode::Conflict, "a new node of the ring is not up");
  }
  PREDA_CO_CHECK(co_await wait_until_known());
  PREDA_CO_CHECK(
      co_await growth_.new_ring(topology.ring.epoch, std::move(change->ring), deadline()));
  PREDA_CO_CHECK(co_await meta_.put_setting(kStagedSetting, {}, deadline()));
  PREDA_CO_TRY(const std::uint64_t job, co_await start_rebalance());
  co_return fmt::format("{{\"epoch\":{},\"job\":{}}}", version, job);
}

Task<Result<std::string>> TopologyApi::revert() {
  PREDA_CO_CHECK(co_await meta_.put_setting(kStagedSetting, {}, deadline()));
  co_return co_await show_ring();
}

}  // namespace predastore::admin
