#include "cli/node_add.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <thread>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/demo_layout.h"
#include "cli/demo_process.h"
#include "cli/exit_codes.h"
#include "cli/s3_client.h"
#include "crypto/certificates.h"
#include "env/system_random.h"

namespace predastore::cli {

namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr Duration kReadyPatience = 60s;
constexpr std::chrono::milliseconds kLookAgainAfter{100};
constexpr std::uint16_t kS3Port = 9000;
constexpr std::uint16_t kClusterPort = 7700;
constexpr std::uint16_t kAdminPort = 7800;

// Ids of nodes are random but never zero, which means "none".
NodeId random_node_id() {
  SystemRandom random;
  for (;;) {
    const NodeId id{random.next_u64()};
    if (id != NodeId{}) return id;
  }
}

std::string nodes_text(const std::vector<node::NodeEntry>& nodes) {
  std::string text;
  for (const node::NodeEntry& entry : nodes) {
    text += fmt::format(
        "\n[[nodes]]\nid = \"{:016x}\"\nname = \"{}\"\ncluster = \"{}\"\ns3 = \"{}\"\nadmin = "
        "\"{}\"\n",
        entry.id.value(), entry.name, entry.cluster_address, entry.s3_address, entry.admin_address);
    if (!entry.has_meta) text += "meta = false\n";
  }
  return text;
}

struct NewNode {
  node::NodeEntry entry;
  std::string ca;        // as it is written into the configuration
  std::string root_key;  // likewise
};

// Like an existing node but for what is its own.
std::string config_text(const node::Config& like, const NewNode& added,
                        const std::vector<node::NodeEntry>& nodes) {
  const node::NodeEntry& entry = added.entry;
  std::string text = fmt::format(
      "# Made by `predastore`. Paths are relative to this file.\n"
      "[cluster]\nid = \"{}\"\nca = \"{}\"\ncertificate = \"node.pem\"\nkey = \"node.key\"\n\n"
      "[node]\nid = \"{:016x}\"\nname = \"{}\"\n\n"
      "[listen]\ns3 = \"{}\"\ncluster = \"{}\"\nadmin = \"{}\"\n\n"
      "[storage]\ndata_dir = \"data\"\n",
      to_hex(like.cluster_id.span()), added.ca, entry.id.value(), entry.name, entry.s3_address,
      entry.cluster_address, entry.admin_address);
  if (like.drive_capacity_bytes > 0)
    text += fmt::format("drive_capacity_bytes = {}\n", like.drive_capacity_bytes);
  text +=
      fmt::format("\n[rs]\ndata = {}\nparity = {}\n\n", like.rs.data_shards, like.rs.parity_shards);
  text +=
      fmt::format("[s3]\nregion = \"{}\"\nroot_key_file = \"{}\"\n", like.region, added.root_key);
  return text + nodes_text(nodes);
}

// Whole or not at all.
Result<void> write_directory(const std::string& out, const node::Config& like, const NewNode& added,
                             std::vector<node::NodeEntry> nodes, const std::string& ca_directory,
                             bool has_own_copies) {
  PREDA_TRY(const std::string ca_pem, node::load_text(ca_directory + "/ca.pem"));
  PREDA_TRY(const std::string ca_key, node::load_text(ca_directory + "/ca.key"));
  PREDA_TRY(const auto authority, crypto::CertificateAuthority::load(ca_pem, ca_key));
  const std::string host =
      added.entry.cluster_address.substr(0, added.entry.cluster_address.rfind(':'));
  PREDA_TRY(const crypto::CertificatePair pair,
            authority.issue(added.entry.id, {host, "localhost"}));
  nodes.push_back(added.entry);
  const std::string fresh = out + ".new";
  std::error_code error;
  if (fs::exists(out, error))
    return make_error(ErrorCode::AlreadyExists, fmt::format("{} is there already", out));
  fs::remove_all(fresh, error);
  fs::create_directories(fresh, error);
  if (error) return make_error(ErrorCode::Io, fmt::format("cannot make {}", fresh));
  PREDA_CHECK(write_new_file(fresh + "/node.pem", pair.cert_pem, false));
  PREDA_CHECK(write_new_file(fresh + "/node.key", pair.key_pem, true));
  if (has_own_copies) {
    PREDA_TRY(const std::string root_key, node::load_text(like.root_key_file));
    PREDA_CHECK(write_new_file(fresh + "/ca.pem", ca_pem, false));
    PREDA_CHECK(write_new_file(fresh + "/root_key.toml", root_key, true));
  }
  PREDA_CHECK(write_new_file(fresh + "/predastore.toml", config_text(like, added, nodes), false));
  fs::rename(fresh, out, error);
  if (error) return make_error(ErrorCode::Io, fmt::format("cannot make {}", out));
  return {};
}

int register_node(const ClusterChoice& cluster, const node::NodeEntry& entry) {
  json::object body;
  body["id"] = fmt::format("{:016x}", entry.id.value());
  body["name"] = entry.name;
  body["cluster"] = entry.cluster_address;
  body["s3"] = entry.s3_address;
  body["admin"] = entry.admin_address;
  return ask_cluster(cluster, "POST", "/v1/nodes", body).exit_code;
}

// The nodes that the metadata name now, as a configuration lists them.
Result<std::vector<node::NodeEntry>> current_nodes(const GrowthAnswer& answer) {
  std::vector<node::NodeEntry> nodes;
  const json::value* list = answer.body.if_contains("nodes");
  if (list == nullptr || !list->is_array())
    return make_error(ErrorCode::Internal, "the answer names no nodes");
  for (const json::value& value : list->as_array()) {
    const json::object& object = value.as_object();
    if (text_of(object, "state") == "departed") continue;
    node::NodeEntry entry;
    std::uint64_t id = 0;
    const std::string hex = text_of(object, "id");
    (void)std::from_chars(hex.data(), hex.data() + hex.size(), id, 16);
    entry.id = NodeId{id};
    entry.name = text_of(object, "name");
    entry.cluster_address = text_of(object, "cluster_address");
    entry.s3_address = text_of(object, "s3_address");
    entry.admin_address = text_of(object, "admin_address");
    const json::value* voter = object.if_contains("voter");
    entry.has_meta = voter == nullptr || !voter->is_bool() || voter->as_bool();
    nodes.push_back(std::move(entry));
  }
  return nodes;
}

// It answers S3: it reads the metadata through the leader.
bool wait_until_it_answers(const DemoLayout& layout, std::uint32_t number) {
  ProductionHost host{1};
  const Instant deadline = host.environment().clock.now() + kReadyPatience;
  const auto endpoint = layout.s3_endpoint(number);
  if (!endpoint) return false;
  while (!answers_http(host, *endpoint)) {
    if (!running_server(layout, number) || host.environment().clock.now() >= deadline) return false;
    std::this_thread::sleep_for(kLookAgainAfter);
  }
  return true;
}

// As seen by a node of the cluster, so that the ring may name it.
bool wait_until_it_is_up(const ClusterChoice& cluster, const std::string& name) {
  for (int i = 0; i < 300; ++i) {
    const GrowthAnswer answer = ask_cluster(cluster, "GET", "/v1/nodes");
    const json::value* list = answer.body.if_contains("nodes");
    if (list != nullptr && list->is_array()) {
      for (const json::value& value : list->as_array()) {
        const json::object& object = value.as_object();
        const json::value* up = object.if_contains("up");
        if (text_of(object, "name") == name && up != nullptr && up->is_bool() && up->as_bool())
          return true;
      }
    }
    std::this_thread::sleep_for(kLookAgainAfter);
  }
  return false;
}

int put_into_ring(const ClusterChoice& cluster, const std::string& name) {
  json::object wanted;
  wanted["node"] = name;
  const GrowthAnswer staged = ask_cluster(cluster, "POST", "/v1/ring/assign", wanted);
  if (staged.exit_code != 0) return staged.exit_code;
  const json::value* change = staged.body.if_contains("staged");
  if (change == nullptr || !change->is_object())
    return fail(kExitFailed, "the ring names the node already");
  json::object body;
  body["version"] = static_cast<std::int64_t>(number_of(change->as_object(), "version"));
  const GrowthAnswer applied = ask_cluster(cluster, "POST", "/v1/ring/apply", body);
  if (applied.exit_code != 0) return applied.exit_code;
  fmt::print("node {} is in the ring, epoch {:.0f}\nnext: predastore job watch {:.0f} --dir {}\n",
             name, number_of(applied.body, "epoch"), number_of(applied.body, "job"),
             cluster.directory);
  return kExitOk;
}

}  // namespace

int node_add(const ClusterChoice& cluster, const NodeAddOptions& options) {
  const auto like = config_of_cluster(cluster.config_file, cluster.directory);
  if (!like) return fail(kExitConfig, like.error().detail);
  const GrowthAnswer answer = ask_cluster(cluster, "GET", "/v1/nodes");
  if (answer.exit_code != 0) return answer.exit_code;
  auto nodes = current_nodes(answer);
  if (!nodes) return fail(kExitFailed, nodes.error().detail);
  NewNode added;
  added.entry.id = random_node_id();
  added.entry.name = options.name;
  added.entry.cluster_address = fmt::format("{}:{}", options.host, kClusterPort);
  added.entry.s3_address = fmt::format("{}:{}", options.host, kS3Port);
  added.entry.admin_address = fmt::format("{}:{}", options.host, kAdminPort);
  added.entry.has_meta = false;
  added.ca = "ca.pem";
  added.root_key = "root_key.toml";
  const auto written =
      write_directory(options.out, *like, added, std::move(*nodes), options.ca_directory, true);
  if (!written) return fail(kExitFailed, written.error().detail);
  const int registered = register_node(cluster, added.entry);
  if (registered != 0) return registered;
  fmt::print(
      "node {} (id {:016x}) is registered\n"
      "next: copy {} to its host, start `predastore server --config predastore.toml` there, then\n"
      "      predastore ring assign {} && predastore ring show\n",
      options.name, added.entry.id.value(), options.out, options.name);
  return kExitOk;
}

int demo_add(const std::string& directory, bool is_spare) {
  auto layout = load_demo(directory);
  if (!layout) return fail(kExitNotFound, layout.error().detail);
  const auto number = static_cast<std::uint32_t>(layout->nodes.size() + 1);
  if (number > kDemoNodesMax) return fail(kExitUsage, "a demo has no room for more nodes");
  ClusterChoice cluster;
  cluster.directory = layout->directory;
  const GrowthAnswer answer = ask_cluster(cluster, "GET", "/v1/nodes");
  if (answer.exit_code != 0) return answer.exit_code;
  auto nodes = current_nodes(answer);
  if (!nodes) return fail(kExitFailed, nodes.error().detail);
  const node::Config& first = layout->nodes.front();
  if (!first.s3_tls_certificate_file.empty())
    return fail(kExitUsage, "a demo with HTTPS cannot be added to yet");
  const auto at = parse_host_port(first.s3_address);
  if (!at) return fail(kExitConfig, at.error().detail);
  NewNode added;
  added.entry.id = random_node_id();
  added.entry.name = fmt::format("n{}", number);
  const int port = at->port + static_cast<int>(number) - 1;
  added.entry.s3_address = fmt::format("127.0.0.1:{}", port);
  added.entry.cluster_address = fmt::format("127.0.0.1:{}", port - kClusterPortBelow);
  added.entry.admin_address = fmt::format("127.0.0.1:{}", port - kAdminPortBelow);
  added.entry.has_meta = false;
  added.ca = "../ca.pem";
  added.root_key = "../root_key.toml";
  const auto written = write_directory(layout->node_directory(number), first, added,
                                       std::move(*nodes), layout->directory, false);
  if (!written) return fail(kExitFailed, written.error().detail);
  const int registered = register_node(cluster, added.entry);
  if (registered != 0) return registered;
  layout = load_demo(directory);
  if (!layout) return fail(kExitConfig, layout.error().detail);
  const auto started = start_server(*layout, number, StartOptions{});
  if (!started) return fail(kExitFailed, started.error().detail);
  if (!wait_until_it_answers(*layout, number))
    return fail(kExitFailed, fmt::format("node {} does not answer; the end of {}:\n{}", number,
                                         layout->log_file(number), log_tail(*layout, number, 5)));
  if (!wait_until_it_is_up(cluster, added.entry.name))
    return fail(kExitFailed, "the others do not see the new node");
  fmt::print("node {} runs: S3 on http://{}\n", number, added.entry.s3_address);
  if (is_spare) {
    fmt::print("next: predastore node replace OLD --with {} --dir {}\n", added.entry.name,
               cluster.directory);
    return kExitOk;
  }
  return put_into_ring(cluster, added.entry.name);
}

}  // namespace predastore::cli
