#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/ids.h"
#include "model/layout.h"

namespace predastore::node {

// What is known of every node of the cluster, this one included.
struct NodeEntry {
  NodeId id;
  std::string name;
  std::string cluster_address;  // host:port, UDP
  std::string s3_address;
  std::string admin_address;
  bool has_meta = true;  // it has a replica of the metadata
};

// One drive of this node, named in the configuration.
struct DriveEntry {
  std::string directory;
  std::string place;  // the path as it is written there, by which the node knows the drive
  std::uint64_t capacity_bytes = 0;  // 0: what the file system has
};

// Bounds of what this node holds in memory; see docs/memory in docs/architecture.md.
struct Limits {
  std::uint64_t put_memory_bytes = 0;
  std::uint64_t get_memory_bytes = 0;
  std::uint32_t connections_max = 0;
  std::uint32_t requests_max = 0;  // of S3 at once; more are told to slow down
};

// What a store does by itself beside what it is asked for; per drive.
struct Upkeep {
  std::uint64_t compaction_bytes_per_second = 0;  // 0: without a limit
  std::uint64_t scrub_bytes_per_second = 0;       // at most
  std::uint32_t scrub_period_hours = 0;           // in which everything is read once; 0: never
};

// Of this node's replica of the metadata.
struct MetadataBounds {
  // So much of the log is kept for replicas that are away; who was away for longer fetches the
  // state.
  std::uint64_t log_bytes = 0;
};

// Times of the cluster, and of what a node does on its own drives.
struct RepairTimes {
  std::uint32_t write_epoch_seconds = 60;  // between advances, while this node leads
  std::uint32_t commit_epochs = 1440;      // the next two: only when the cluster is made
  std::uint32_t garbage_epochs = 2;
  std::uint32_t sweep_seconds = 6 * 3600;
  std::uint32_t reconcile_seconds = 7 * 24 * 3600;
};

// One node's configuration, checked. Paths are absolute or relative to the directory the process
// runs in (those of the file are relative to the file, and have been resolved).
struct Config {
  std::string path;  // of the file itself
  ClusterId cluster_id;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  NodeId node_id;
  std::string node_name;
  std::string s3_address;
  std::string cluster_address;
  std::string admin_address;
  std::string data_dir;
  std::uint32_t drive_count = 1;           // in data_dir/drives/<d>, unless there are `drives`
  std::uint64_t drive_capacity_bytes = 0;  // of each; 0: what the file system has
  std::vector<DriveEntry> drives;          // the [[drive]] sections; see drives_of()
  std::uint32_t near_full_percent = 85;
  std::uint32_t full_percent = 95;
  std::string io_backend;  // "auto", "io_uring" or "threads"
  Upkeep upkeep;
  RsConfig rs;
  std::string region;
  std::string root_key_file;
  // Empty: S3 over plain HTTP. The files are read again when they change.
  std::string s3_tls_certificate_file;
  std::string s3_tls_key_file;
  std::vector<std::string> s3_domains;  // BUCKET.DOMAIN is a bucket's address
  Limits limits;
  RepairTimes repair;
  MetadataBounds metadata;
  std::vector<NodeEntry> nodes;
};

struct ConfigProblem {
  std::size_t line = 1;
  std::size_t column = 1;
  std::string message;
};

// All problems at once, in the order of the file; `config` is there when there is none.
struct ConfigCheck {
  std::optional<Config> config;
  std::vector<ConfigProblem> problems;
  // file:line:column: error: message, one a line
  std::string report(std::string_view path) const;
};

// The drives of the node, wherever the configuration names them.
std::vector<DriveEntry> drives_of(const Config& config);
// The file of the drives that the node knows.
std::string drive_list_of(const Config& config);

ConfigCheck check_config(std::string_view text, const std::string& path);
// NotFound, or InvalidArgument when the file cannot be read.
Result<std::string> load_text(const std::string& path);

// The first access key: a TOML file of two strings that only its owner can read.
struct RootKey {
  std::string access_key_id;
  std::string secret_access_key;
};
Result<RootKey> load_root_key(const std::string& path);

// The known word that is nearest to `word`, if any is near enough to be meant.
std::optional<std::string> did_you_mean(std::string_view word,
                                        const std::vector<std::string>& known);

}  // namespace predastore::node
