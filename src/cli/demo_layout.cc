#include "cli/demo_layout.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "access/access_keys.h"
#include "base/text.h"
#include "crypto/certificates.h"
#include "env/system_random.h"
#include "model/limits.h"
#include "shard/drive_identity.h"

namespace predastore::cli {

namespace {

namespace fs = std::filesystem;

Error file_error(const std::string& what, const std::string& path) {
  const ErrorCode code = errno == EEXIST ? ErrorCode::AlreadyExists : ErrorCode::Io;
  return make_error(code, fmt::format("cannot {} {}: {}", what, path, std::strerror(errno)));
}

Result<void> make_directory(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error)
    return make_error(ErrorCode::Io, fmt::format("cannot make {}: {}", path, error.message()));
  return {};
}

// Ids of nodes are random but never zero, which means "none".
NodeId random_node_id(Random& random) {
  for (;;) {
    const NodeId id{random.next_u64()};
    if (id != NodeId{}) return id;
  }
}

std::string address(std::uint32_t port) { return fmt::format("127.0.0.1:{}", port); }

struct Identities {
  ClusterId cluster;
  std::vector<NodeId> nodes;
};

std::string nodes_text(const DemoPlan& plan, const Identities& ids) {
  std::string text;
  for (std::uint32_t i = 0; i < plan.node_count; ++i) {
    text += fmt::format(
        "\n[[nodes]]\nid = \"{:016x}\"\nname = \"n{}\"\ncluster = \"{}\"\ns3 = \"{}\"\nadmin = "
        "\"{}\"\n",
        ids.nodes[i].value(), i + 1, address(plan.s3_port - kClusterPortBelow + i),
        address(plan.s3_port + i), address(plan.s3_port - kAdminPortBelow + i));
  }
  return text;
}

std::string config_text(const DemoPlan& plan, const Identities& ids, std::uint32_t index) {
  std::string text = fmt::format(
      "# Node {0} of a local Predastore cluster, made by `predastore demo`. Paths are relative to "
      "this file.\n"
      "[cluster]\nid = \"{1}\"\nca = \"../ca.pem\"\ncertificate = \"node.pem\"\nkey = "
      "\"node.key\"\n\n"
      "[node]\nid = \"{2:016x}\"\nname = \"n{0}\"\n\n",
      index + 1, to_hex(ids.cluster.span()), ids.nodes[index].value());
  text +=
      fmt::format("[listen]\ns3 = \"{}\"\ncluster = \"{}\"\nadmin = \"{}\"\n\n",
                  address(plan.s3_port + index), address(plan.s3_port - kClusterPortBelow + index),
                  address(plan.s3_port - kAdminPortBelow + index));
  text += "[storage]\ndata_dir = \"data\"\n";
  if (plan.drive_count > 1) text += fmt::format("drives = {}\n", plan.drive_count);
  if (!plan.drive_capacity.empty())
    text += fmt::format("drive_capacity_bytes = \"{}\"\n", plan.drive_capacity);
  text +=
      fmt::format("\n[rs]\ndata = {}\nparity = {}\n\n", plan.rs.data_shards, plan.rs.parity_shards);
  text += "[s3]\nregion = \"us-east-1\"\nroot_key_file = \"../root_key.toml\"\n";
  if (plan.has_tls) text += "tls_certificate = \"s3.pem\"\ntls_key = \"s3.key\"\n";
  if (!plan.settings.empty()) text += "\n" + plan.settings + "\n";
  return text + nodes_text(plan, ids);
}

Result<void> write_node(const DemoPlan& plan, const Identities& ids,
                        const crypto::CertificateAuthority& authority, std::uint32_t index,
                        const std::string& directory) {
  PREDA_CHECK(make_directory(directory));
  PREDA_TRY(const crypto::CertificatePair pair,
            authority.issue(ids.nodes[index], {"127.0.0.1", "localhost"}));
  PREDA_CHECK(write_new_file(directory + "/node.pem", pair.cert_pem, false));
  PREDA_CHECK(write_new_file(directory + "/node.key", pair.key_pem, true));
  const std::string path = directory + "/predastore.toml";
  const std::string text = config_text(plan, ids, index);
  const node::ConfigCheck check = node::check_config(text, path);
  if (!check.config) return make_error(ErrorCode::InvalidArgument, check.report(path));
  return write_new_file(path, text, false);
}

// An authority of its own: what it signs is no member of the cluster. Its key is not kept.
Result<void> write_s3_certificates(const DemoPlan& plan, const std::string& directory) {
  SystemRandom random;
  ClusterId unrelated;
  random.fill(unrelated.bytes);
  PREDA_TRY(const auto authority, crypto::CertificateAuthority::create(unrelated));
  PREDA_CHECK(write_new_file(directory + "/s3_ca.pem", authority.cert_pem(), false));
  for (std::uint32_t i = 1; i <= plan.node_count; ++i) {
    PREDA_TRY(const crypto::CertificatePair pair,
              authority.issue(random_node_id(random), {"127.0.0.1", "localhost", "*.localhost"}));
    const std::string node = fmt::format("{}/n{}", directory, i);
    PREDA_CHECK(write_new_file(node + "/s3.pem", pair.cert_pem, false));
    PREDA_CHECK(write_new_file(node + "/s3.key", pair.key_pem, true));
  }
  return {};
}

Result<void> write_all(const DemoPlan& plan, const std::string& directory) {
  SystemRandom random;
  Identities ids;
  random.fill(ids.cluster.bytes);
  for (std::uint32_t i = 0; i < plan.node_count; ++i) ids.nodes.push_back(random_node_id(random));
  PREDA_TRY(const auto authority, crypto::CertificateAuthority::create(ids.cluster));
  PREDA_TRY(const access::AccessKey key, access::make_access_key());
  PREDA_CHECK(write_new_file(directory + "/ca.pem", authority.cert_pem(), false));
  PREDA_CHECK(write_new_file(directory + "/ca.key", authority.key_pem(), true));
  PREDA_CHECK(write_new_file(directory + "/root_key.toml",
                             fmt::format("access_key_id = \"{}\"\nsecret_access_key = \"{}\"\n",
                                         key.id, key.secret.reveal()),
                             true));
  for (std::uint32_t i = 0; i < plan.node_count; ++i) {
    PREDA_CHECK(write_node(plan, ids, authority, i, fmt::format("{}/n{}", directory, i + 1)));
  }
  if (plan.has_tls) return write_s3_certificates(plan, directory);
  return {};
}

}  // namespace

Result<RsConfig> parse_rs(const std::string& text) {
  const std::size_t plus = text.find('+');
  unsigned data = 0;
  unsigned parity = 0;
  if (plus != std::string::npos) {
    const char* begin = text.data();
    const auto first = std::from_chars(begin, begin + plus, data);
    const auto second = std::from_chars(begin + plus + 1, begin + text.size(), parity);
    if (first.ptr != begin + plus || second.ptr != begin + text.size()) data = 0;
  }
  if (data < 1 || data > kDataShardsMax || parity < 1 || parity > kParityShardsMax) {
    return make_error(ErrorCode::InvalidArgument,
                      fmt::format("\"{}\" is no Reed-Solomon scheme; DATA+PARITY is meant, such as "
                                  "2+1 (1 to {} data and 1 to {} parity shards)",
                                  text, kDataShardsMax, kParityShardsMax));
  }
  return RsConfig{static_cast<std::uint8_t>(data), static_cast<std::uint8_t>(parity)};
}

Result<void> check_plan(const DemoPlan& plan) {
  if (plan.node_count < 1 || plan.node_count > kDemoNodesMax)
    return make_error(ErrorCode::InvalidArgument,
                      fmt::format("--nodes {} is out of range; 1 to {} is possible",
                                  plan.node_count, kDemoNodesMax));
  if (plan.node_count < plan.rs.width())
    return make_error(
        ErrorCode::InvalidArgument,
        fmt::format("--rs {}+{} needs {} nodes at least, --nodes is {}", plan.rs.data_shards,
                    plan.rs.parity_shards, plan.rs.width(), plan.node_count));
  if (plan.drive_count < 1 || plan.drive_count > shard::kDrivesMax)
    return make_error(ErrorCode::InvalidArgument,
                      fmt::format("--drives {} is out of range; 1 to {} is possible",
                                  plan.drive_count, shard::kDrivesMax));
  const std::uint32_t low = kClusterPortBelow + 1;
  const std::uint32_t high = 65536 - plan.node_count;
  if (plan.s3_port < low || plan.s3_port > high)
    return make_error(
        ErrorCode::InvalidArgument,
        fmt::format("--s3-port {} is out of range; {} to {} is possible, since the cluster's and "
                    "the administration's ports lie {} and {} below",
                    plan.s3_port, low, high, kClusterPortBelow, kAdminPortBelow));
  return {};
}

std::string DemoLayout::node_directory(std::uint32_t number) const {
  return fmt::format("{}/n{}", directory, number);
}
std::string DemoLayout::config_file(std::uint32_t number) const {
  return node_directory(number) + "/predastore.toml";
}
std::string DemoLayout::log_file(std::uint32_t number) const {
  return node_directory(number) + "/server.log";
}
std::string DemoLayout::pid_file(std::uint32_t number) const {
  return node_directory(number) + "/server.pid";
}

Result<S3Endpoint> DemoLayout::s3_endpoint(std::uint32_t number) const {
  const node::Config& config = nodes[number - 1];
  S3Endpoint endpoint{config.s3_address, config.region, std::nullopt};
  if (!config.s3_tls_certificate_file.empty()) {
    endpoint.tls.emplace();
    PREDA_TRY(endpoint.tls->ca_pem, node::load_text(s3_ca_file()));
  }
  return endpoint;
}

std::string DemoLayout::departed_file(std::uint32_t number) const {
  return node_directory(number) + "/departed";
}
bool DemoLayout::is_departed(std::uint32_t number) const {
  std::error_code error;
  return fs::exists(departed_file(number), error);
}

bool demo_exists(const std::string& directory) {
  std::error_code error;
  return fs::exists(directory + "/n1/predastore.toml", error);
}

Result<DemoLayout> load_demo(const std::string& directory) {
  if (!demo_exists(directory))
    return make_error(
        ErrorCode::NotFound,
        fmt::format("there is no demo cluster in {}; `predastore demo --dir {}` makes "
                    "one",
                    directory, directory));
  DemoLayout layout;
  std::error_code error;
  layout.directory = fs::absolute(directory, error).lexically_normal().string();
  if (layout.directory.size() > 1 && layout.directory.back() == '/') layout.directory.pop_back();
  for (std::uint32_t i = 1; i <= kDemoNodesMax; ++i) {
    const std::string path = layout.config_file(i);
    if (!fs::exists(path, error)) break;
    PREDA_TRY(const std::string text, node::load_text(path));
    node::ConfigCheck check = node::check_config(text, path);
    if (!check.config) return make_error(ErrorCode::InvalidArgument, check.report(path));
    layout.nodes.push_back(std::move(*check.config));
  }
  return layout;
}

Result<void> make_demo(const DemoPlan& plan) {
  PREDA_CHECK(check_plan(plan));
  std::error_code error;
  const fs::path target = fs::absolute(plan.directory, error).lexically_normal();
  fs::path whole = target;
  if (!whole.has_filename()) whole = whole.parent_path();
  if (fs::exists(whole, error) && !fs::is_empty(whole, error))
    return make_error(ErrorCode::AlreadyExists,
                      fmt::format("{} is not empty and holds no demo cluster", whole.string()));
  PREDA_CHECK(make_directory(whole.parent_path().string()));
  std::string fresh = (whole.parent_path() / ".predastore-demo-XXXXXX").string();
  if (::mkdtemp(fresh.data()) == nullptr) return file_error("make a directory", fresh);
  Result<void> written = write_all(plan, fresh);
  if (written) {
    fs::rename(fresh, whole, error);  // replaces an empty directory
    if (error)
      written = make_error(ErrorCode::Io,
                           fmt::format("cannot make {}: {}", whole.string(), error.message()));
  }
  if (!written) fs::remove_all(fresh, error);
  return written;
}

Result<void> write_new_file(const std::string& path, const std::string& text, bool is_private) {
  const int fd =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, is_private ? 0600 : 0644);
  if (fd < 0) return file_error("make", path);
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(fd, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  const bool is_good = done == text.size() && ::fsync(fd) == 0;
  Result<void> result;
  if (!is_good) result = file_error("write", path);
  ::close(fd);
  return result;
}

}  // namespace predastore::cli
