#include "cli/node_add.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "cli/commands.h"
#include "cli/demo_layout.h"
#include "cli/demo_process.h"
#include "cli/exit_codes.h"
#include "cli/s3_client.h"

namespace predastore::cli {

namespace {

namespace json = boost::json;

constexpr Duration kReadyPatience = 60s;
constexpr std::chrono::milliseconds kLookAgainAfter{100};

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
    if (const json::array* list = list_of(answer.body, "nodes")) {
      for (const json::value& value : *list) {
        const json::object& object = value.as_object();
        if (text_of(object, "name") == name && flag_of(object, "up")) return true;
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

int register_node(const ClusterChoice& cluster, const node::NodeEntry& entry, json::object body) {
  body["id"] = fmt::format("{:016x}", entry.id.value());
  body["name"] = entry.name;
  body["cluster"] = entry.cluster_address;
  body["s3"] = entry.s3_address;
  body["admin"] = entry.admin_address;
  return ask_cluster(cluster, "POST", "/v1/nodes", body).exit_code;
}

Result<std::vector<node::NodeEntry>> current_nodes(const GrowthAnswer& answer) {
  std::vector<node::NodeEntry> nodes;
  const json::array* list = list_of(answer.body, "nodes");
  if (list == nullptr) return make_error(ErrorCode::Internal, "the answer names no nodes");
  for (const json::value& value : *list) {
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

Result<crypto::CertificateAuthority> load_authority(const std::string& directory) {
  PREDA_TRY(const std::string cert, node::load_text(directory + "/ca.pem"));
  PREDA_TRY(const std::string key, node::load_text(directory + "/ca.key"));
  return crypto::CertificateAuthority::load(cert, key);
}

namespace {

// Like an existing node but for what is its own.
NodeFiles files_like(const node::Config& like, node::NodeEntry entry,
                     std::vector<node::NodeEntry> others) {
  NodeFiles files;
  files.cluster = like.cluster_id;
  files.node = std::move(entry);
  files.others = std::move(others);
  files.rs = like.rs;
  files.region = like.region;
  files.drive_capacity_bytes = like.drive_capacity_bytes;
  return files;
}

Result<NodeFiles> files_of_new_node(const node::Config& like, const NodeAddOptions& options,
                                    const GrowthAnswer& answer) {
  PREDA_TRY(auto nodes, current_nodes(answer));
  PREDA_TRY(const auto authority, load_authority(options.ca_directory));
  NodeFiles files = files_like(like, entry_at(options.address, options.name), std::move(nodes));
  PREDA_TRY(files.certificate, authority.issue(files.node.id, {options.address.host, "localhost"}));
  files.ca_pem = authority.cert_pem();
  PREDA_TRY(files.root_key, node::load_text(like.root_key_file));
  return files;
}

// In a local cluster everybody is 127.0.0.1: the first node's certificate of S3 is good for all.
Result<NodeFiles> files_of_demo_node(const DemoLayout& layout, std::uint32_t number,
                                     const GrowthAnswer& answer) {
  const node::Config& first = layout.nodes.front();
  PREDA_TRY(auto nodes, current_nodes(answer));
  PREDA_TRY(const HostPort at, parse_host_port(first.s3_address));
  PREDA_TRY(const auto authority, load_authority(layout.directory));
  const auto s3_port = static_cast<std::uint16_t>(at.port + number - 1);
  NodeAddress address{"127.0.0.1", s3_port, static_cast<std::uint16_t>(s3_port - kClusterPortBelow),
                      static_cast<std::uint16_t>(s3_port - kAdminPortBelow)};
  NodeFiles files =
      files_like(first, entry_at(address, fmt::format("n{}", number)), std::move(nodes));
  PREDA_TRY(files.certificate, authority.issue(files.node.id, {"127.0.0.1", "localhost"}));
  if (layout.has_tls()) {
    files.s3_certificate.emplace();
    PREDA_TRY(files.s3_certificate->cert_pem, node::load_text(first.s3_tls_certificate_file));
    PREDA_TRY(files.s3_certificate->key_pem, node::load_text(first.s3_tls_key_file));
  }
  return files;
}

// Starts it and waits until it serves and the others see it.
int start_demo_node(const std::string& directory, std::uint32_t number,
                    const ClusterChoice& cluster, const node::NodeEntry& entry) {
  const auto layout = load_demo(directory);
  if (!layout) return fail(kExitConfig, layout.error().detail);
  const auto started = start_server(*layout, number, StartOptions{});
  if (!started) return fail(kExitFailed, started.error().detail);
  if (!wait_until_it_answers(*layout, number))
    return fail(kExitFailed, fmt::format("node {} does not answer; the end of {}:\n{}", number,
                                         layout->log_file(number), log_tail(*layout, number, 5)));
  if (!wait_until_it_is_up(cluster, entry.name))
    return fail(kExitFailed, "the others do not see the new node");
  fmt::print("node {} runs: S3 on {}://{}\n", number, layout->has_tls() ? "https" : "http",
             entry.s3_address);
  return kExitOk;
}

}  // namespace

int node_add(const ClusterChoice& cluster, const NodeAddOptions& options) {
  const auto like = config_of_cluster(cluster.config_file, cluster.directory);
  if (!like) return fail(kExitConfig, like.error().detail);
  const GrowthAnswer answer = ask_cluster(cluster, "GET", "/v1/nodes");
  if (answer.exit_code != 0) return answer.exit_code;
  const auto files = files_of_new_node(*like, options, answer);
  if (!files) return fail(kExitFailed, files.error().detail);
  const auto written = make_node_directory(options.out, *files);
  if (!written) return fail(kExitFailed, written.error().detail);
  const int registered = register_node(cluster, files->node, {});
  if (registered != 0) return registered;
  fmt::print(
      "node {} (id {:016x}) is registered\n"
      "next: copy {} to its host, start `predastore server --config predastore.toml` there, then\n"
      "      predastore ring assign {} && predastore ring show\n",
      options.name, files->node.id.value(), options.out, options.name);
  return kExitOk;
}

int demo_add(const std::string& directory, bool is_spare) {
  const auto layout = load_demo(directory);
  if (!layout) return fail(kExitNotFound, layout.error().detail);
  const auto number = static_cast<std::uint32_t>(layout->nodes.size() + 1);
  if (number > kDemoNodesMax) return fail(kExitUsage, "a demo has no room for more nodes");
  ClusterChoice cluster;
  cluster.directory = layout->directory;
  const GrowthAnswer answer = ask_cluster(cluster, "GET", "/v1/nodes");
  if (answer.exit_code != 0) return answer.exit_code;
  const auto files = files_of_demo_node(*layout, number, answer);
  if (!files) return fail(kExitFailed, files.error().detail);
  const auto written = make_node_directory(layout->node_directory(number), *files);
  if (!written) return fail(kExitFailed, written.error().detail);
  const int registered = register_node(cluster, files->node, {});
  if (registered != 0) return registered;
  const int started = start_demo_node(directory, number, cluster, files->node);
  if (started != kExitOk) return started;
  if (is_spare) {
    fmt::print("next: predastore node replace OLD --with {} --dir {}\n", files->node.name,
               cluster.directory);
    return kExitOk;
  }
  return put_into_ring(cluster, files->node.name);
}

}  // namespace predastore::cli
