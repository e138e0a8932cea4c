#include <fmt/format.h>

#include <boost/json.hpp>
#include <cctype>
#include <cstdio>

#include "cli/admin_client.h"
#include "cli/answer_fields.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "env/host.h"

namespace predastore::cli {

namespace {

namespace json = boost::json;

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string node_line(const json::object& node) {
  const bool is_up = text_of(node, "state") == "up";
  const std::string state = !is_up ? flag_of(node, "unused") ? "unused" : "DOWN"
                            : !flag_of(node, "drive_ok") ? "DRIVE"
                            : flag_of(node, "leader")    ? "up, leader"
                                                         : "up";
  std::string used = "-";
  if (is_up) {
    used = size_text(number_of(node, "used_bytes")) + " of " +
           size_text(number_of(node, "capacity_bytes"));
  }
  return fmt::format("{:<6}  {:<21}  {:<21}  {:<10}  {}\n", text_of(node, "name"),
                     text_of(node, "cluster_address"), text_of(node, "s3_address"), state, used);
}

// A node with one good drive needs no lines about it.
std::string drive_lines(const json::object& node) {
  const json::value* list = node.if_contains("drives");
  if (list == nullptr || !list->is_array()) return {};
  const json::array& drives = list->as_array();
  std::string out;
  for (const json::value& value : drives) {
    if (!value.is_object()) continue;
    const json::object& drive = value.as_object();
    const std::string state = text_of(drive, "state");
    const bool is_new = !flag_of(drive, "reconciled");
    if (drives.size() == 1 && state == "ok" && !is_new) continue;
    std::string shown = is_new && state == "ok" ? "new" : state;
    if (state == "rebuilding") shown += fmt::format(" {} %", integer_of(drive, "rebuilt_per_cent"));
    if (flag_of(drive, "given_up")) shown = "given up";
    out += fmt::format("        {:<44}  {:<16}  {} of {}\n", text_of(drive, "place"), shown,
                       size_text(number_of(drive, "used_bytes")),
                       size_text(number_of(drive, "capacity_bytes")));
  }
  return out;
}

int exit_code_of(const std::string& state) {
  if (state == "healthy") return kExitOk;
  return state == "degraded" ? kExitDegraded : kExitUnavailable;
}

// What scripts get when no node answers: the same keys, nothing claimed.
std::string nobody_answers(const node::Config& config, const StatusAnswer& answer) {
  json::array nodes;
  for (const node::NodeEntry& entry : config.nodes) {
    json::object node;
    node["name"] = entry.name;
    node["state"] = "down";
    node["cluster_address"] = entry.cluster_address;
    node["s3_address"] = entry.s3_address;
    node["admin_address"] = entry.admin_address;
    nodes.push_back(std::move(node));
  }
  json::object out;
  out["state"] = "unavailable";
  out["reasons"] = json::array(answer.problems.begin(), answer.problems.end());
  out["readable"] = false;
  out["failures_left"] = 0;
  out["repair_pending"] = nullptr;  // not known
  out["leader"] = nullptr;
  out["term"] = nullptr;
  out["nodes_up"] = 0;
  out["nodes"] = std::move(nodes);
  return json::serialize(out);
}

}  // namespace

std::string status_text(const std::string& text) {
  boost::system::error_code error;
  const json::value parsed = json::parse(text, error);
  if (error || !parsed.is_object()) return "the answer is no JSON object\n";
  const json::object& all = parsed.as_object();
  const json::value* list = all.if_contains("nodes");
  const json::array nodes = list != nullptr && list->is_array() ? list->as_array() : json::array{};
  const std::int64_t up = integer_of(all, "nodes_up");
  std::string out = fmt::format(
      "cluster  {}  {} of {} nodes up, {}", upper(text_of(all, "state")), up, nodes.size(),
      flag_of(all, "readable") ? "all data readable" : "NOT all data readable");
  if (flag_of(all, "readable"))
    out += fmt::format(" ({}, can lose {} more)", text_of(all, "rs"),
                       integer_of(all, "failures_left"));
  const std::string leader = text_of(all, "leader");
  out += fmt::format("\nraft     leader {}, term {}\n", leader.empty() ? "none" : leader,
                     integer_of(all, "term"));
  out += fmt::format("data     {} objects, {} chunks wait for repair\n", integer_of(all, "objects"),
                     integer_of(all, "repair_pending"));
  out +=
      fmt::format("{:<6}  {:<21}  {:<21}  {:<10}  {}\n", "NODE", "ADDRESS", "S3", "STATE", "USED");
  for (const json::value& node : nodes) {
    if (node.is_object()) out += node_line(node.as_object()) + drive_lines(node.as_object());
  }
  for (const auto& [key, word] : {std::pair{"reasons", "because"}, {"warnings", "warning"}}) {
    const json::value* lines = all.if_contains(key);
    if (lines == nullptr || !lines->is_array()) continue;
    for (const json::value& line : lines->as_array()) {
      if (line.is_string()) out += fmt::format("{}  {}\n", word, std::string{line.as_string()});
    }
  }
  return out;
}

int status(const StatusOptions& options) {
  const auto config = config_of_cluster(options.config_file, options.directory);
  if (!config) {
    const bool is_absent = config.error().code == ErrorCode::NotFound;
    return fail(is_absent ? kExitNotFound : kExitConfig, config.error().detail);
  }
  ProductionHost host{1};
  auto answer = ask_status(host, *config);
  if (!answer) return fail(kExitConfig, answer.error().detail);
  if (answer->json.empty()) answer->json = nobody_answers(*config, *answer);
  if (options.is_json) {
    while (!answer->json.empty() && answer->json.back() == '\n') answer->json.pop_back();
    fmt::print("{}\n", answer->json);
  } else {
    fmt::print("{}", status_text(answer->json));
  }
  return exit_code_of(answer->state);
}

}  // namespace predastore::cli
