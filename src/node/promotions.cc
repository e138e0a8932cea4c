#include "node/promotions.h"

#include <algorithm>
#include <charconv>

#include "admin/member_api.h"
#include "telemetry/log.h"

namespace predastore::node {
namespace {

constexpr Duration kInterval = 1s;
constexpr Duration kTimeout = 10s;
constexpr std::uint32_t kAtOnceMax = 16;

NodeId node_of(std::string_view setting) {
  setting.remove_prefix(std::string_view{admin::kPromotions}.size());
  std::uint64_t id = 0;
  (void)std::from_chars(setting.data(), setting.data() + setting.size(), id, 16);
  return NodeId{id};
}

}  // namespace

Promotions::Promotions(Environment env, meta::MetaService& meta, MemberReplica& members,
                       std::function<bool()> is_active)
    : env_(env),
      meta_(meta),
      members_(members),
      is_active_(std::move(is_active)),
      stopped_(env.clock) {}

Task<void> Promotions::run() {
  while (!is_stopping_) {
    const Instant until = env_.clock.now() + kInterval;
    while (!is_stopping_ && env_.clock.now() < until) (void)co_await stopped_.wait_until(until);
    if (!is_stopping_ && is_active_()) co_await look();
  }
}

void Promotions::stop() {
  is_stopping_ = true;
  stopped_.notify_all();
}

Task<void> Promotions::look() {
  const auto wanted =
      co_await meta_.list_settings(admin::kPromotions, "", kAtOnceMax, env_.clock.now() + kTimeout);
  if (!wanted) co_return;
  for (const auto& [name, value] : wanted->settings) {
    if (is_stopping_) co_return;
    const Instant deadline = env_.clock.now() + kTimeout;
    if (!co_await is_done(node_of(name), deadline)) continue;
    meta::SettingChange gone;
    gone.name = name;
    gone.expected = value;
    (void)co_await meta_.change_setting(std::move(gone), deadline);
  }
}

// Also when there is nobody left to be promoted. What is refused now, because it lags or the
// majority would be at stake, is tried again.
Task<bool> Promotions::is_done(NodeId node, Instant deadline) {
  const auto group = co_await members_.list(deadline);
  if (!group) co_return false;
  const auto is_of_node = [node](const raft::MemberStatus& each) {
    return each.member.node == node;
  };
  if (std::ranges::none_of(group->members, is_of_node)) co_return true;
  const bool votes = std::ranges::any_of(group->members, [&](const raft::MemberStatus& each) {
    return is_of_node(each) && each.member.is_voter;
  });
  if (votes) co_return true;
  const auto promoted =
      co_await members_.change_node(raft::MemberChange::Kind::promote, node, deadline);
  if (promoted)
    telemetry::log_info("a replica that took the place of a voter votes", {{"node", node.value()}});
  co_return promoted.has_value();
}

}  // namespace predastore::node
