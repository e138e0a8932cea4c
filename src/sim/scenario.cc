#include "sim/scenario.h"

#include <toml++/toml.h>

#include <functional>
#include <map>
#include <utility>

namespace predastore::sim {
namespace {

using Setter = std::function<bool(const toml::node&)>;
using Setters = std::map<std::string, Setter>;

Setter seconds(Duration& target) {
  return [&target](const toml::node& node) {
    const auto value = node.value<double>();
    if (value) target = Duration(static_cast<Duration::rep>(*value * 1e9));
    return value.has_value();
  };
}

template <class T>
Setter number(T& target) {
  return [&target](const toml::node& node) {
    const auto value = node.value_exact<std::int64_t>();
    if (value && *value >= 0) target = static_cast<T>(*value);
    return value.has_value() && *value >= 0;
  };
}

Setter flag(bool& target) {
  return [&target](const toml::node& node) {
    const auto value = node.value_exact<bool>();
    if (value) target = *value;
    return value.has_value();
  };
}

Setter steps(std::vector<Step>& target) {
  return [&target](const toml::node& node) {
    const toml::array* list = node.as_array();
    if (list == nullptr) return false;
    for (const toml::node& each : *list) {
      const auto text = each.value<std::string>();
      auto step = text ? parse_step(*text) : Result<Step>(make_error(ErrorCode::InvalidArgument));
      if (!step) return false;
      target.push_back(*std::move(step));
    }
    return true;
  };
}

Result<void> fill(const toml::table& table, const Setters& setters, const std::string& where) {
  for (const auto& [key, value] : table) {
    const std::string name(key.str());
    if (value.is_table() && where.empty()) continue;
    const auto setter = setters.find(name);
    if (setter == setters.end())
      return make_error(ErrorCode::InvalidArgument, "no key " + where + name);
    if (!setter->second(value))
      return make_error(ErrorCode::InvalidArgument, "no such value of " + where + name);
  }
  return {};
}

}  // namespace

Result<Scenario> parse_scenario(std::string_view text, const std::string& name) {
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return make_error(ErrorCode::InvalidArgument, std::string(error.description()));
  }
  Scenario scenario;
  scenario.name = name;
  ClientOptions& clients = scenario.clients;
  PREDA_CHECK(fill(table,
                   {{"nodes", number(scenario.node_count)},
                    {"spares", number(scenario.spare_count)},
                    {"steps", steps(scenario.steps)},
                    {"steps_within_s", seconds(scenario.steps_within)},
                    {"busy_s", seconds(scenario.busy)},
                    {"heals_within_s", seconds(scenario.heals_within)}},
                   ""));
  for (const auto& [key, value] : table) {
    if (!value.is_table()) continue;
    const std::string section(key.str());
    if (section == "clients") {
      PREDA_CHECK(fill(*value.as_table(),
                       {{"count", number(clients.client_count)},
                        {"keys", number(clients.key_count)},
                        {"object_size_max", number(clients.object_size_max_bytes)},
                        {"deletes", flag(clients.deletes)},
                        {"multipart", flag(clients.multipart)},
                        {"lists", flag(clients.lists)},
                        {"conditions", flag(clients.conditions)},
                        {"pause_max_s", seconds(clients.pause_max)}},
                       "clients."));
    } else if (section == "faults") {
      FaultMix& mix = scenario.faults.emplace();
      PREDA_CHECK(fill(*value.as_table(),
                       {{"kill", flag(mix.kill)},
                        {"power", flag(mix.power)},
                        {"pause", flag(mix.pause)},
                        {"partition", flag(mix.partition)},
                        {"one_way", flag(mix.one_way)},
                        {"clog", flag(mix.clog)},
                        {"losses", flag(mix.losses)},
                        {"all_down", flag(mix.all_down)},
                        {"slow_disk", flag(mix.slow_disk)},
                        {"wrong_clock", flag(mix.wrong_clock)},
                        {"wipe", flag(mix.wipe)},
                        {"interval_s", seconds(mix.interval)},
                        {"longest_s", seconds(mix.longest)}},
                       "faults."));
    } else {
      return make_error(ErrorCode::InvalidArgument, "no section " + section);
    }
  }
  if (scenario.node_count < 3)
    return make_error(ErrorCode::InvalidArgument, "a cluster has at least three nodes");
  for (const Step& step : scenario.steps) {
    for (const std::size_t machine : step.machines) {
      if (machine >= scenario.node_count + scenario.spare_count)
        return make_error(ErrorCode::InvalidArgument, "a step of a node that there is not");
    }
  }
  return scenario;
}

}  // namespace predastore::sim
