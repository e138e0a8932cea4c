#include "admin/member_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

namespace predastore::admin {

namespace json = boost::json;

namespace {

constexpr Duration kTimeout = 20s;

std::string hex_of(std::uint64_t number) { return fmt::format("{:016x}", number); }

std::optional<MemberVerb> verb_of(const std::string& text) {
  if (text == "add") return MemberVerb::add;
  if (text == "promote") return MemberVerb::promote;
  if (text == "demote") return MemberVerb::demote;
  if (text == "remove") return MemberVerb::remove;
  if (text == "transfer") return MemberVerb::transfer;
  return std::nullopt;
}

}  // namespace

std::string promotion_of(NodeId node) { return kPromotions + hex_of(node.value()); }

Instant MemberApi::deadline() const { return env_.clock.now() + kTimeout; }

Task<Result<std::string>> MemberApi::answer(GrowthRequest request) {
  if (request.name.empty()) {
    if (request.method == "GET") co_return co_await list();
    co_return make_error(ErrorCode::InvalidArgument, "only GET is understood here");
  }
  const auto verb = verb_of(request.action);
  if (request.method != "POST" || !verb) co_return nothing_there();
  co_return co_await change(*verb, std::move(request.name));
}

Task<Result<std::string>> MemberApi::list() {
  PREDA_CO_TRY(const GroupReport group, co_await membership_.group(deadline()));
  const auto topology = co_await growth_.topology(deadline());
  json::array list;
  for (const MemberReport& each : group.members) {
    json::object object;
    object["node"] = hex_of(each.node.value());
    object["name"] = hex_of(each.node.value());
    if (topology) {
      const auto node = std::ranges::find(topology->nodes, each.node, &NodeRecord::node);
      if (node != topology->nodes.end()) object["name"] = node->name;
    }
    object["replica"] = hex_of(each.replica);
    object["votes"] = each.is_voter;
    object["leads"] = each.is_leader;
    object["heard"] = each.is_heard;
    object["needs_snapshot"] = each.needs_snapshot;
    object["stored_index"] = each.stored_index;
    list.push_back(std::move(object));
  }
  json::object body;
  body["group"] = hex_of(group.group);
  body["last_index"] = group.last_index;
  body["members"] = std::move(list);
  co_return json::serialize(body);
}

// A node that is gone for good may be known by its id only.
Task<Result<std::string>> MemberApi::change(MemberVerb verb, std::string name) {
  PREDA_CO_TRY(const meta::Topology topology, co_await growth_.topology(deadline()));
  const auto node = std::ranges::find_if(topology.nodes, [&](const NodeRecord& each) {
    return each.name == name || hex_of(each.node.value()) == name;
  });
  if (node == topology.nodes.end())
    co_return make_error(ErrorCode::NotFound, "there is no node \"" + name + "\"");
  const NodeId id = node->node;
  if (node->is_departed && verb != MemberVerb::remove)
    co_return make_error(ErrorCode::Conflict, "the node has departed");
  PREDA_CO_CHECK(co_await membership_.change(verb, id, deadline()));
  co_return co_await list();
}

}  // namespace predastore::admin
