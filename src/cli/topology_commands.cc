#include "cli/topology_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/cluster_options.h"
#include "cli/commands.h"
#include "cli/demo_layout.h"
#include "cli/exit_codes.h"
#include "cli/growth_client.h"
#include "cli/node_add.h"
#include "cli/node_join.h"

namespace predastore::cli {

namespace json = boost::json;

namespace {

struct Parsed {
  ClusterChoice cluster;
  std::function<int()>* command = nullptr;
  std::string name;
  std::string with;
  std::string zone;
  std::uint32_t weight = 100;
  std::uint32_t version = 0;
  bool is_removed = false;
  bool is_dead = false;
  NodeAddOptions added;
  NodeTokenOptions token;
  NodeJoinOptions joined;
};
using Shared = std::shared_ptr<Parsed>;

// ---- nodes

int node_ls(const Parsed& parsed) {
  const GrowthAnswer answer = ask_cluster(parsed.cluster, "GET", "/v1/nodes");
  if (answer.exit_code != 0) return answer.exit_code;
  if (parsed.cluster.is_json()) {
    fmt::print("{}", answer.text);
    return kExitOk;
  }
  fmt::print("{:<8}  {:<16}  {:<9}  {:<5}  {:>6}  {:<21}  {:<21}  {}\n", "NAME", "ID", "STATE",
             "UP", "WEIGHT", "CLUSTER", "S3", "VOTER");
  const json::array* nodes = list_of(answer.body, "nodes");
  if (nodes == nullptr) return kExitOk;
  for (const json::value& value : *nodes) {
    if (!value.is_object()) continue;
    const json::object& node = value.as_object();
    const auto flag = [&](const char* key) { return flag_of(node, key) ? "yes" : "no"; };
    fmt::print("{:<8}  {:<16}  {:<9}  {:<5}  {:>6.0f}  {:<21}  {:<21}  {}\n", text_of(node, "name"),
               text_of(node, "id"), text_of(node, "state"), flag("up"), number_of(node, "weight"),
               text_of(node, "cluster_address"), text_of(node, "s3_address"), flag("voter"));
  }
  return kExitOk;
}

int change_node(const Parsed& parsed, const std::string& verb, const json::object& body) {
  const GrowthAnswer answer =
      ask_cluster(parsed.cluster, "POST", fmt::format("/v1/nodes/{}/{}", parsed.name, verb), body);
  if (answer.exit_code != 0) return answer.exit_code;
  if (parsed.cluster.is_json()) {
    fmt::print("{}", answer.text);
    return kExitOk;
  }
  fmt::print("node {} is {}\n", text_of(answer.body, "node"), text_of(answer.body, "state"));
  if (answer.body.if_contains("job") != nullptr)
    fmt::print("next: predastore job watch {:.0f}\n", number_of(answer.body, "job"));
  return kExitOk;
}

// A local cluster does not start the node again.
void note_departed(const Parsed& parsed) {
  if (!parsed.cluster.config_file.empty()) return;
  const auto layout = load_demo(parsed.cluster.directory);
  if (!layout) return;
  for (std::uint32_t number = 1; number <= layout->nodes.size(); ++number) {
    if (layout->nodes[number - 1].node_name == parsed.name)
      (void)write_new_file(layout->departed_file(number), {}, false);
  }
}

int remove_node(const Parsed& parsed) {
  json::object body;
  body["dead"] = parsed.is_dead;
  const int exit_code = change_node(parsed, "remove", body);
  if (exit_code == kExitOk) note_departed(parsed);
  return exit_code;
}

int replace_node(const Parsed& parsed) {
  json::object body;
  body["with"] = parsed.with;
  return change_node(parsed, "replace", body);
}

void add_address_options(CLI::App& app, NodeAddress& address, std::string& ca_directory) {
  app.add_option("--ca", ca_directory, "Where ca.pem and ca.key are")->required();
  app.add_option("--host", address.host, "The address of its host")->required();
  app.add_option("--s3-port", address.s3_port, "Where it serves S3")->capture_default_str();
  app.add_option("--cluster-port", address.cluster_port, "Where it listens to nodes")
      ->capture_default_str();
  app.add_option("--admin-port", address.admin_port, "Where its administration is")
      ->capture_default_str();
}

// The three ways into the cluster.
void add_joining(CLI::App& node, const Shared& parsed) {
  CLI::App* added = add_asking_command(
      node, parsed, "add", "Make a new node's files here and register it", [](const Parsed& p) {
        NodeAddOptions options = p.added;
        options.name = p.name;
        return node_add(p.cluster, options);
      });
  added->add_option("NAME", parsed->name, "What it is to be called")->required();
  add_address_options(*added, parsed->added.address, parsed->added.ca_directory);
  added->add_option("--out", parsed->added.out, "The directory to make, for that host")->required();
  CLI::App* token = add_asking_command(
      node, parsed, "token", "Register a new node and make its join token", [](const Parsed& p) {
        NodeTokenOptions options = p.token;
        options.name = p.name;
        return node_token(p.cluster, options);
      });
  token->add_option("NAME", parsed->name, "What it is to be called")->required();
  add_address_options(*token, parsed->token.address, parsed->token.ca_directory);
  token->add_option("--valid-hours", parsed->token.valid_hours, "In which it can be used")
      ->check(CLI::Range(1, 24 * 365))
      ->capture_default_str();
  token->add_option("--out", parsed->token.out,
                    "The file to make, for its owner only (default: standard output)");
  CLI::App* joined = node.add_subcommand("join", "Make this machine the node of a token");
  joined
      ->add_option("--token", parsed->joined.token_file, "The file of the token; -: standard input")
      ->required();
  joined
      ->add_option("--data", parsed->joined.directory,
                   "The directory to make: configuration, certificates, data")
      ->required();
  joined->callback([parsed] { *parsed->command = [parsed] { return node_join(parsed->joined); }; });
}

void add_nodes(CLI::App& root, const Shared& parsed) {
  CLI::App* node = root.add_subcommand("node", "The nodes of the cluster");
  node->require_subcommand(1);
  add_asking_command(*node, parsed, "ls", "List them", node_ls);
  const auto named = [&](CLI::App* app) {
    app->add_option("NAME", parsed->name, "Its name, or its id")->required();
    return app;
  };
  add_joining(*node, parsed);
  named(add_asking_command(*node, parsed, "drain",
                           "Move everything off a node, and place nothing there any more",
                           [](const Parsed& p) { return change_node(p, "drain", {}); }));
  named(add_asking_command(*node, parsed, "activate", "Let a draining node take shards again",
                           [](const Parsed& p) { return change_node(p, "activate", {}); }));
  named(add_asking_command(*node, parsed, "remove",
                           "Take a drained node, or one that is dead, out for good", remove_node))
      ->add_flag("--dead", parsed->is_dead, "It is down and will not come back");
  named(add_asking_command(*node, parsed, "replace", "Give the place of a node to another one",
                           replace_node))
      ->add_option("--with", parsed->with, "The new node")
      ->required();
  node->footer(
      "EXAMPLES\n"
      "    predastore node ls\n"
      "    predastore node add n4 --ca ca --host 10.0.0.4 --out n4 --config n1/predastore.toml\n"
      "    predastore node token n4 --ca ca --host 10.0.0.4 --out n4.token --config "
      "n1/predastore.toml\n"
      "    predastore node join --token n4.token --data /var/lib/predastore    on 10.0.0.4\n"
      "    predastore node drain n2 && predastore job ls && predastore node remove n2\n"
      "    predastore node remove n3 --dead\n"
      "    predastore node replace n3 --with n4\n\n"
      "SEE ALSO\n  predastore ring, predastore job, predastore demo add");
}

// ---- the ring

void print_slots(const json::object& ring) {
  const json::array* slots = list_of(ring, "slots");
  if (slots == nullptr) return;
  for (const json::value& value : *slots) {
    if (!value.is_object()) continue;
    const json::object& slot = value.as_object();
    fmt::print("  slot {:>3.0f}  {:<8}  weight {:>3.0f}  zone {}\n", number_of(slot, "slot"),
               text_of(slot, "name"), number_of(slot, "weight"),
               text_of(slot, "zone").empty() ? "-" : text_of(slot, "zone"));
  }
}

void print_preview(const json::object& preview, bool is_staged) {
  fmt::print("{:.0f} chunks; {} {:.0f} shards of {:.0f} chunks, {}\n", number_of(preview, "chunks"),
             is_staged ? "the change moves" : "still to move:", number_of(preview, "shards_moving"),
             number_of(preview, "chunks_moving"), size_text(number_of(preview, "bytes_moving")));
  const json::value* shards = preview.if_contains("shards");
  if (shards == nullptr || !shards->is_object()) return;
  for (const auto& [name, value] : shards->as_object()) {
    if (!value.is_object()) continue;
    fmt::print("  {:<8}  {:>9.0f} shards now, {:>9.0f} after\n", std::string_view{name},
               number_of(value.as_object(), "before"), number_of(value.as_object(), "after"));
  }
}

int show_ring(const Parsed& parsed, const GrowthAnswer& answer) {
  if (answer.exit_code != 0) return answer.exit_code;
  if (parsed.cluster.is_json()) {
    fmt::print("{}", answer.text);
    return kExitOk;
  }
  const auto part = [&](const char* key) -> const json::object* {
    const json::value* value = answer.body.if_contains(key);
    return value != nullptr && value->is_object() ? &value->as_object() : nullptr;
  };
  if (const json::object* current = part("current")) {
    fmt::print("epoch {:.0f}\n", number_of(*current, "epoch"));
    print_slots(*current);
  }
  const json::object* staged = part("staged");
  if (staged != nullptr) {
    fmt::print("staged as version {:.0f}\n", number_of(*staged, "version"));
    print_slots(*staged);
  }
  if (const json::object* preview = part("preview")) print_preview(*preview, staged != nullptr);
  if (staged != nullptr)
    fmt::print("next: predastore ring apply --version {:.0f}   or   predastore ring revert\n",
               number_of(*staged, "version"));
  return kExitOk;
}

int assign(const Parsed& parsed) {
  json::object body;
  body["node"] = parsed.name;
  body["weight"] = static_cast<std::int64_t>(parsed.weight);
  body["zone"] = parsed.zone;
  body["remove"] = parsed.is_removed;
  return show_ring(parsed, ask_cluster(parsed.cluster, "POST", "/v1/ring/assign", body));
}

int apply(const Parsed& parsed) {
  json::object body;
  body["version"] = static_cast<std::int64_t>(parsed.version);
  const GrowthAnswer answer = ask_cluster(parsed.cluster, "POST", "/v1/ring/apply", body);
  if (answer.exit_code != 0) return answer.exit_code;
  if (parsed.cluster.is_json())
    fmt::print("{}", answer.text);
  else
    fmt::print("the ring is at epoch {:.0f}; next: predastore job watch {:.0f}\n",
               number_of(answer.body, "epoch"), number_of(answer.body, "job"));
  return kExitOk;
}

int rebalance(const Parsed& parsed) {
  json::object body;
  body["kind"] = "rebalance";
  const GrowthAnswer answer = ask_cluster(parsed.cluster, "POST", "/v1/jobs", body);
  if (answer.exit_code == 0) fmt::print("{}", answer.text);
  return answer.exit_code;
}

void add_ring(CLI::App& root, const Shared& parsed) {
  CLI::App* ring = root.add_subcommand("ring", "Which nodes hold what");
  ring->require_subcommand(1);
  add_asking_command(
      *ring, parsed, "show", "The ring, a change that is staged, and what moves",
      [](const Parsed& p) { return show_ring(p, ask_cluster(p.cluster, "GET", "/v1/ring")); });
  CLI::App* staged = add_asking_command(
      *ring, parsed, "assign", "Stage a change: a node in, out, or of another weight", assign);
  staged->add_option("NODE", parsed->name, "Its name, or its id")->required();
  staged->add_option("--weight", parsed->weight, "Per cent of what a usual node holds")
      ->capture_default_str();
  staged->add_option("--zone", parsed->zone, "No zone holds more shards of a chunk than it must");
  staged->add_flag("--remove", parsed->is_removed, "Take it out of the ring");
  add_asking_command(*ring, parsed, "apply",
                     "Make the staged change the ring, and move what it moves", apply)
      ->add_option("--version", parsed->version, "As `ring show` says")
      ->required();
  add_asking_command(*ring, parsed, "revert", "Forget what is staged", [](const Parsed& p) {
    return show_ring(p, ask_cluster(p.cluster, "POST", "/v1/ring/revert"));
  });
  add_asking_command(*ring, parsed, "rebalance",
                     "Start the job that moves what is not where it belongs", rebalance);
  ring->footer(
      "EXAMPLES\n"
      "    predastore ring show\n"
      "    predastore ring assign n4 --weight 200 --zone east && predastore ring apply --version "
      "2\n\n"
      "SEE ALSO\n  predastore node, predastore job");
}

}  // namespace

void add_topology_commands(CLI::App& root, std::function<int()>* command) {
  auto parsed = std::make_shared<Parsed>();
  parsed->command = command;
  parsed->cluster.directory = "predastore-demo";
  add_nodes(root, parsed);
  add_ring(root, parsed);
}

}  // namespace predastore::cli
