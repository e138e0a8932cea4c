#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// One function a command; each returns the exit code (exit_codes.h) and has said everything that
// is to be said. Messages for people go to standard error, results to standard output.
namespace predastore::cli {

struct DemoOptions {
  std::string directory;
  std::uint32_t node_count = 3;
  std::string rs = "2+1";
  std::uint16_t s3_port = 9000;
  std::uint32_t drive_count = 1;  // of each node
  std::string drive_capacity;     // of each drive
  std::string settings_file;      // empty: none
  bool has_tls = false;
  bool is_detached = false;
  // Which of them the user named: a cluster that exists has its own and is not changed by these.
  bool has_node_count = false;
  bool has_rs = false;
  bool has_drive_count = false;
  bool has_s3_port = false;
};
int demo_run(const DemoOptions& options);
int demo_env(const std::string& directory);
int demo_kill(const std::string& directory, std::uint32_t number);
int demo_start(const std::string& directory, std::uint32_t number);
int demo_pause(const std::string& directory, std::uint32_t number);
int demo_resume(const std::string& directory, std::uint32_t number);
int demo_stop(const std::string& directory);
int demo_check(const std::string& directory);  // an object there and back, through every node

int serve(const std::string& config_file);
int config_check(const std::string& config_file);

struct StatusOptions {
  std::string config_file;  // one of the two
  std::string directory;
  bool is_json = false;
};
int status(const StatusOptions& options);
// The answer of the administration for people.
std::string status_text(const std::string& json);

struct KeyCommand {
  std::string action;       // create, ls, enable, disable, rotate, rm
  std::string id;           // but for create and ls
  std::string description;  // of create
  std::string config_file;  // one of the two
  std::string directory;
  bool is_json = false;
};
int key(const KeyCommand& command);

// `bucket` and `cluster`: what operators set in the replicated metadata.
struct OptionsCommand {
  std::string action;       // show, set, reconcile
  std::string bucket;       // empty with show: all of them
  std::string compression;  // empty: as it is
  std::string rs;           // empty: as it is
  std::string sweep;        // "on", "off"; empty: as it is
  std::optional<std::uint32_t> inline_max_bytes;
  std::string config_file;  // one of the two
  std::string directory;
  bool is_json = false;
};
int bucket_options(const OptionsCommand& command);
int cluster_options(const OptionsCommand& command);

struct CertOptions {
  std::string directory = ".";
  std::string cluster_id;  // hex; empty: a new one
  std::string node_id;     // hex; empty: a new one
  std::vector<std::string> hosts;
  std::string out;  // files out.pem and out.key
  std::string file;
};
int cert_init(const CertOptions& options);
int cert_issue(const CertOptions& options);
int cert_show(const CertOptions& options);

struct FsckCommand {
  std::string data_directory;  // of one node, with drives/<d>/ in it
  std::string config_file;     // or its configuration, wherever its drives are
  bool repair_kv = false;
};
int fsck(const FsckCommand& options);
int inspect(const std::string& file);  // a shard file

// "error: ..." on standard error; returns `code`.
int fail(int code, const std::string& message);

}  // namespace predastore::cli
