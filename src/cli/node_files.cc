#include "cli/node_files.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/text.h"
#include "cli/demo_layout.h"
#include "env/system_random.h"

namespace predastore::cli {

namespace {

namespace fs = std::filesystem;

std::string entry_text(const node::NodeEntry& entry) {
  std::string text = fmt::format(
      "\n[[nodes]]\nid = \"{:016x}\"\nname = \"{}\"\ncluster = \"{}\"\ns3 = \"{}\"\nadmin = "
      "\"{}\"\n",
      entry.id.value(), entry.name, entry.cluster_address, entry.s3_address, entry.admin_address);
  if (!entry.has_meta) text += "meta = false\n";
  return text;
}

std::string config_text(const NodeFiles& files) {
  const node::NodeEntry& entry = files.node;
  std::string text = fmt::format(
      "# Made by `predastore`. Paths are relative to this file.\n"
      "[cluster]\nid = \"{}\"\nca = \"{}\"\ncertificate = \"node.pem\"\nkey = \"node.key\"\n\n"
      "[node]\nid = \"{:016x}\"\nname = \"{}\"\n\n"
      "[listen]\ns3 = \"{}\"\ncluster = \"{}\"\nadmin = \"{}\"\n\n"
      "[storage]\ndata_dir = \"data\"\n",
      to_hex(files.cluster.span()), files.ca_pem ? "ca.pem" : "../ca.pem", entry.id.value(),
      entry.name, entry.s3_address, entry.cluster_address, entry.admin_address);
  if (files.drive_capacity_bytes > 0)
    text += fmt::format("drive_capacity_bytes = {}\n", files.drive_capacity_bytes);
  text += fmt::format("\n[rs]\ndata = {}\nparity = {}\n\n", files.rs.data_shards,
                      files.rs.parity_shards);
  text += fmt::format("[s3]\nregion = \"{}\"\nroot_key_file = \"{}\"\n", files.region,
                      files.root_key ? "root_key.toml" : "../root_key.toml");
  if (files.s3_certificate) text += "tls_certificate = \"s3.pem\"\ntls_key = \"s3.key\"\n";
  for (const node::NodeEntry& other : files.others) text += entry_text(other);
  return text + entry_text(entry);
}

Result<void> write_pair(const std::string& path, const crypto::CertificatePair& pair) {
  PREDA_CHECK(write_new_file(path + ".pem", pair.cert_pem, false));
  return write_new_file(path + ".key", pair.key_pem, true);
}

}  // namespace

// Ids of nodes are random but never zero, which means "none".
NodeId random_node_id() {
  SystemRandom random;
  for (;;) {
    const NodeId id{random.next_u64()};
    if (id != NodeId{}) return id;
  }
}

node::NodeEntry entry_at(const NodeAddress& address, const std::string& name) {
  node::NodeEntry entry;
  entry.id = random_node_id();
  entry.name = name;
  entry.cluster_address = fmt::format("{}:{}", address.host, address.cluster_port);
  entry.s3_address = fmt::format("{}:{}", address.host, address.s3_port);
  entry.admin_address = fmt::format("{}:{}", address.host, address.admin_port);
  entry.has_meta = false;
  return entry;
}

Result<void> write_node_files(const std::string& directory, const NodeFiles& files) {
  PREDA_CHECK(write_pair(directory + "/node", files.certificate));
  if (files.s3_certificate) {
    PREDA_CHECK(write_pair(directory + "/s3", *files.s3_certificate));
  }
  if (files.ca_pem) {
    PREDA_CHECK(write_new_file(directory + "/ca.pem", *files.ca_pem, false));
  }
  if (files.root_key) {
    PREDA_CHECK(write_new_file(directory + "/root_key.toml", *files.root_key, true));
  }
  const std::string path = directory + "/predastore.toml";
  const std::string text = config_text(files);
  const node::ConfigCheck check = node::check_config(text, path);
  if (!check.config) return make_error(ErrorCode::InvalidArgument, check.report(path));
  return write_new_file(path, text, false);
}

Result<void> make_node_directory(const std::string& directory, const NodeFiles& files) {
  const std::string fresh = directory + ".new";
  std::error_code error;
  if (fs::exists(directory, error))
    return make_error(ErrorCode::AlreadyExists, fmt::format("{} is there already", directory));
  fs::remove_all(fresh, error);
  fs::create_directories(fresh, error);
  if (error) return make_error(ErrorCode::Io, fmt::format("cannot make {}", fresh));
  Result<void> written = write_node_files(fresh, files);
  if (written) {
    fs::rename(fresh, directory, error);
    if (error) written = make_error(ErrorCode::Io, fmt::format("cannot make {}", directory));
  }
  if (!written) fs::remove_all(fresh, error);
  return written;
}

}  // namespace predastore::cli
