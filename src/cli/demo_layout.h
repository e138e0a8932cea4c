#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/s3_client.h"
#include "model/layout.h"
#include "node/config.h"

namespace predastore::cli {

// What a local cluster is made of when it is made.
struct DemoPlan {
  std::string directory;
  std::uint32_t node_count = 3;
  RsConfig rs;
  std::uint16_t s3_port = 9000;   // of the first node; node i adds i - 1
  bool has_tls = false;           // S3 over HTTPS
  std::uint32_t drive_count = 1;  // of each node
  std::string drive_capacity;     // empty: what the file system has; else as in the file
  std::string settings;           // more sections of every configuration
};

// "2+1". InvalidArgument when it is nothing of the kind or out of range.
Result<RsConfig> parse_rs(const std::string& text);

// The ports below the S3 ports, so that demos with other S3 ports run side by side: S3 on 9000
// gives the cluster 7700 and the administration 7800.
inline constexpr std::uint16_t kClusterPortBelow = 1300;
inline constexpr std::uint16_t kAdminPortBelow = 1200;
inline constexpr std::uint32_t kDemoNodesMax = 32;

// InvalidArgument with what is wrong and what would be right.
Result<void> check_plan(const DemoPlan& plan);

// A local cluster on disk:
//   DIR/ca.pem ca.key root_key.toml, DIR/n<i>/predastore.toml node.pem node.key data/ server.log
//   server.pid; with HTTPS also DIR/s3_ca.pem and DIR/n<i>/s3.pem s3.key
struct DemoLayout {
  std::string directory;
  std::vector<node::Config> nodes;  // n1 first

  std::string node_directory(std::uint32_t number) const;  // counted from 1
  std::string config_file(std::uint32_t number) const;
  std::string log_file(std::uint32_t number) const;
  std::string pid_file(std::uint32_t number) const;
  // Of a node that was removed from the cluster for good: it is not started any more.
  std::string departed_file(std::uint32_t number) const;
  bool is_departed(std::uint32_t number) const;
  // Where S3 of a node is; over HTTPS with the authority in DIR/s3_ca.pem. NotFound without that.
  Result<S3Endpoint> s3_endpoint(std::uint32_t number) const;
  bool has_tls() const { return !nodes.front().s3_tls_certificate_file.empty(); }
  std::string s3_ca_file() const { return directory + "/s3_ca.pem"; }
};

bool demo_exists(const std::string& directory);
// NotFound when there is none; InvalidArgument when one of its files is not what it must be.
Result<DemoLayout> load_demo(const std::string& directory);
// Makes ids, keys, certificates and configurations, whole or not at all: they come to be beside
// `directory` and are renamed to it. AlreadyExists when there is something in the way.
Result<void> make_demo(const DemoPlan& plan);

// A new file that only its owner can read, or (is_private false) everybody. AlreadyExists.
Result<void> write_new_file(const std::string& path, const std::string& text, bool is_private);

}  // namespace predastore::cli
