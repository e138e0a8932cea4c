#include "admin/growth_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "model/limits.h"

namespace predastore::admin {

namespace json = boost::json;

std::string_view name_of(JobKind kind) {
  switch (kind) {
    case JobKind::rs_migrate: return "rs-migrate";
    case JobKind::rebalance: return "rebalance";
  }
  return "unknown";
}

std::string_view name_of(JobState state) {
  switch (state) {
    case JobState::running: return "running";
    case JobState::paused: return "paused";
    case JobState::done: return "done";
    case JobState::failed: return "failed";
    case JobState::cancelled: return "cancelled";
  }
  return "unknown";
}

std::optional<JobKind> job_kind_of(std::string_view name) {
  for (const JobKind kind : {JobKind::rs_migrate, JobKind::rebalance}) {
    if (name_of(kind) == name) return kind;
  }
  return std::nullopt;
}

json::object job_json(const JobRecord& job) {
  const JobProgress& progress = job.progress;
  json::object object;
  object["id"] = job.id.value();
  object["kind"] = std::string{name_of(job.kind)};
  object["argument"] = job.argument;
  object["state"] = std::string{name_of(job.state)};
  object["worker"] = fmt::format("{:016x}", job.worker.value());
  object["claims"] = job.claim;
  object["started_ms"] = job.started_ms;
  object["updated_ms"] = job.updated_ms;
  object["items_done"] = progress.items_done;
  object["items_seen"] = progress.items_seen;
  object["items_total"] = progress.items_total;
  object["bytes_done"] = progress.bytes_done;
  object["bytes_total"] = progress.bytes_total;
  object["errors"] = progress.errors;
  object["detail"] = progress.detail;
  double share = job.state == JobState::done ? 1.0 : 0.0;
  if (job.state != JobState::done && progress.items_total > 0)
    share = std::min(
        1.0, static_cast<double>(progress.items_seen) / static_cast<double>(progress.items_total));
  object["percent"] = share * 100.0;
  const double seconds = static_cast<double>(job.updated_ms - job.started_ms) / 1000.0;
  const double rate = seconds > 0 ? static_cast<double>(progress.bytes_done) / seconds : 0.0;
  object["bytes_per_second"] = rate;
  if (is_active(job.state) && share > 0) object["seconds_left"] = seconds * (1 - share) / share;
  return object;
}

Result<RsConfig> rs_of(std::string_view text) {
  const std::size_t plus = text.find('+');
  unsigned data = 0;
  unsigned parity = 0;
  if (plus != std::string_view::npos) {
    const char* begin = text.data();
    const char* end = begin + text.size();
    const auto first = std::from_chars(begin, begin + plus, data);
    const auto second = std::from_chars(begin + plus + 1, end, parity);
    if (first.ptr != begin + plus || second.ptr != end) data = 0;
  }
  if (data < 1 || data > kDataShardsMax || parity < 1 || parity > kParityShardsMax)
    return make_error(ErrorCode::InvalidArgument,
                      fmt::format("\"{}\" is no RS scheme; DATA+PARITY is meant, such as 2+1 (1 to "
                                  "{} and 1 to {})",
                                  text, kDataShardsMax, kParityShardsMax));
  return RsConfig{static_cast<std::uint8_t>(data), static_cast<std::uint8_t>(parity)};
}

namespace {

std::string hex_id(NodeId id) { return fmt::format("{:016x}", id.value()); }

Result<NodeId> id_of(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0)
    return make_error(ErrorCode::Corruption, "an id of a node that cannot be read");
  return NodeId{value};
}

}  // namespace

json::object node_json(const NodeRecord& node, const meta::Topology& topology) {
  json::object object;
  object["id"] = hex_id(node.node);
  object["name"] = node.name;
  object["cluster_address"] = node.cluster_address;
  object["s3_address"] = node.s3_address;
  object["admin_address"] = node.admin_address;
  object["voter"] = node.is_voter;
  object["state"] = node.is_departed                        ? "departed"
                    : topology.draining.contains(node.node) ? "draining"
                                                            : "active";
  std::uint64_t weight = 0;
  for (const RingSlot& slot : topology.ring.slots) {
    if (slot.node == node.node) weight += slot.weight;
  }
  object["weight"] = weight;
  return object;
}

json::object ring_json(const RingRecord& ring, const std::vector<NodeRecord>& nodes) {
  json::object object;
  object["epoch"] = ring.epoch.value();
  object["algorithm"] = ring.algorithm_version;
  object["vnodes"] = ring.vnodes_per_slot;
  json::array slots;
  for (const RingSlot& slot : ring.slots) {
    json::object entry;
    entry["slot"] = slot.slot.value();
    entry["node"] = hex_id(slot.node);
    const auto node = std::ranges::find(nodes, slot.node, &NodeRecord::node);
    entry["name"] = node == nodes.end() ? std::string{} : node->name;
    entry["weight"] = slot.weight;
    entry["zone"] = slot.zone;
    slots.push_back(std::move(entry));
  }
  object["slots"] = std::move(slots);
  return object;
}

Result<RingRecord> ring_of(const json::object& object) {
  RingRecord ring;
  const json::value* slots = object.if_contains("slots");
  if (slots == nullptr || !slots->is_array())
    return make_error(ErrorCode::Corruption, "a ring that cannot be read");
  const auto number = [](const json::object& from, const char* key) {
    const json::value* value = from.if_contains(key);
    return value != nullptr && value->is_int64() ? static_cast<std::uint32_t>(value->as_int64())
                                                 : 0;
  };
  ring.epoch = RingEpoch{number(object, "epoch")};
  ring.algorithm_version = number(object, "algorithm");
  ring.vnodes_per_slot = number(object, "vnodes");
  for (const json::value& value : slots->as_array()) {
    if (!value.is_object()) return make_error(ErrorCode::Corruption, "a ring that cannot be read");
    const json::object& entry = value.as_object();
    RingSlot slot;
    slot.slot = SlotId{number(entry, "slot")};
    const json::value* node = entry.if_contains("node");
    PREDA_TRY(slot.node,
              id_of(node != nullptr && node->is_string() ? std::string_view{node->as_string()}
                                                         : std::string_view{}));
    slot.weight = number(entry, "weight");
    const json::value* zone = entry.if_contains("zone");
    if (zone != nullptr && zone->is_string()) slot.zone = std::string{zone->as_string()};
    ring.slots.push_back(std::move(slot));
  }
  return ring;
}

json::array epochs_json(const meta::Topology& topology) {
  json::array list;
  for (const auto& [epoch, count] : topology.layouts_by_epoch) {
    json::object object;
    object["epoch"] = epoch.value();
    object["chunks"] = count;
    list.push_back(std::move(object));
  }
  return list;
}

}  // namespace predastore::admin
