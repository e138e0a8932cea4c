#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "env/sync.h"
#include "sim/cluster.h"
#include "sim/history.h"
#include "sim/node_program.h"

namespace predastore::sim {

struct ClientOptions {
  std::size_t client_count = 3;
  std::size_t key_count = 5;
  std::uint64_t object_size_max_bytes = 600 * 1024;
  std::uint64_t part_size_min_bytes = 100 * 1024;
  bool deletes = true;
  bool multipart = true;
  bool lists = true;
  bool conditions = true;
  Duration pause_max = 300ms;  // between two operations of a client
};

// Clients that put, overwrite, read, delete, list and upload in parts, each operation through a
// node that is up, and write down what they saw. An operation whose node dies under it has an
// unknown outcome.
class Clients {
 public:
  Clients(Scheduler& scheduler, Cluster& cluster, History& history, std::uint64_t seed,
          ClientOptions options);

  static constexpr const char* kBucket = "bucket";

  // Makes the bucket, through any node, as often as it takes.
  Task<Result<void>> make_bucket(Instant deadline);
  // All clients, until `until`.
  Task<void> work(Instant until);
  // One put, then one read of every key, through one node: all of it has to succeed.
  Task<Result<void>> prove_health(std::size_t machine, Instant deadline);

  // What must never happen, the first of it.
  const std::optional<std::string>& violation() const { return violation_; }
  struct Counts {
    std::uint64_t puts = 0, reads = 0, not_found = 0, deletes = 0, lists = 0, uploads = 0;
    std::uint64_t unknown = 0, refused = 0, failed_reads = 0;
  };
  const Counts& counts() const { return counts_; }
  // Called with a line for each operation that ended.
  std::function<void(const std::string& line)> on_event;
  Process& process() { return host_.process; }
  Clock& clock() { return host_.clock; }
  Environment environment() { return host_.environment(); }

 private:
  using Shared = std::shared_ptr<Life>;
  Task<void> one_client(Instant until);
  // One operation at a node; the task runs on the node's own loop.
  Task<void> put(Shared life, std::string key, bool only_if_absent);
  Task<void> read(Shared life, std::string key);
  Task<void> erase(Shared life, std::string key);
  Task<void> list(Shared life);
  Task<void> upload(Shared life, std::string key);
  Task<Result<std::uint64_t>> read_version(Shared life, std::string key);
  Task<Result<std::vector<meta::CompletePart>>> put_parts(Shared life, const Version* version,
                                                          std::string upload_id);

  Shared pick();
  std::string pick_key();
  std::vector<std::uint64_t> draw_sizes(bool is_multipart);
  std::int64_t moment() const { return scheduler_.now().time_since_epoch().count(); }
  static node::Node& node_of(const Shared& life) {
    return static_cast<NodeProgram*>(life->program.get())->node();
  }
  // Writes down how a change ended.
  void conclude(const Shared& life, const std::string& key, std::uint64_t begun,
                const RegisterOperation& operation, const Error* error);
  void violate(std::string what);
  void tell(const Shared& life, const std::string& key, const RegisterOperation& operation,
            const std::string& outcome) const;
  Result<std::uint64_t> number_of(const ObjectRecord& record, const std::string& key);

  Scheduler& scheduler_;
  Cluster& cluster_;
  History& history_;
  ClientOptions options_;
  SimRandom random_;
  SimDisk no_disk_;
  SimHost host_;
  Counts counts_;
  std::optional<std::string> violation_;
};

}  // namespace predastore::sim
