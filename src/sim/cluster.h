#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/sync.h"
#include "sim/disk.h"
#include "sim/host.h"
#include "sim/network.h"
#include "sim/scheduler.h"

namespace predastore::sim {

// What runs on a machine from a start to its end: a node, or a part of one.
class Program {
 public:
  virtual ~Program() = default;
  virtual Task<Result<void>> open() = 0;  // recovers what is on the disk
  virtual Task<void> run() = 0;           // until stop()
  virtual Task<void> stop() = 0;          // while run() is under way; returns when all has ended
};

// One life of a machine. The dead go on until their coroutines have ended: on a disk and a network
// that do nothing any more, so that nobody can tell.
class Life {
 public:
  Life(Scheduler& scheduler, SimDisk& disk, SimNetwork& network, NodeId node,
       const std::string& name, std::uint64_t seed)
      : host(scheduler, disk, name, seed),
        transport(network.attach(node, host.process, host.clock)),
        calls(host.process.executor(), host.clock) {}

  SimHost host;
  std::unique_ptr<net::Transport> transport;
  std::unique_ptr<Program> program;
  TaskGroup calls;        // what the clients have under way here
  bool is_ready = false;  // opened and running
  bool is_dead = false;   // killed; whatever it says now was never said
  bool is_over = false;   // nothing of it runs any more
  bool is_stopping = false;
  Instant died{};
  std::optional<Error> open_error;
};

class Cluster;
using MakeProgram = std::function<std::unique_ptr<Program>(std::size_t machine, Life& life)>;

// Machines with a disk each on one network, started, killed, paused and cut off at will.
class Cluster {
 public:
  Cluster(Scheduler& scheduler, std::uint64_t seed, std::size_t machine_count,
          NetworkOptions network_options, DiskOptions disk_options, MakeProgram make);
  ~Cluster();  // everything has ended: shut_down() came before
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  std::size_t size() const { return machines_.size(); }
  NodeId node_of(std::size_t machine) const { return machines_[machine].node; }
  SimDisk& disk(std::size_t machine) { return *machines_[machine].disk; }
  SimNetwork& network() { return network_; }
  // The life of now; none when it is down. Shared, so that a call can see that it died.
  std::shared_ptr<Life> life(std::size_t machine) const { return machines_[machine].life; }
  bool is_up(std::size_t machine) const {
    return machines_[machine].life != nullptr && machines_[machine].life->is_ready;
  }
  // A program that could not open, or of which something ran long after its end.
  const std::optional<std::string>& problem() const { return problem_; }

  void start(std::size_t machine);  // and it is in play from then on
  // Its power is cut for good.
  void retire(std::size_t machine);
  // It was started once and not retired: faults may hit it, and it is up when they are over.
  bool is_in_play(std::size_t machine) const { return machines_[machine].is_in_play; }
  enum class Death : std::uint8_t { process, power };
  void kill(std::size_t machine, Death death);
  void pause(std::size_t machine);
  void resume(std::size_t machine);
  // Ends everything in good order, in virtual time. False when something did not end.
  bool shut_down();
  // Forgets about the dead whose coroutines have ended.
  void bury();

 private:
  struct Machine {
    NodeId node;
    std::unique_ptr<SimDisk> disk;
    std::shared_ptr<Life> life;
    bool is_in_play = false;
  };
  Task<void> live(std::shared_ptr<Life> life);
  Task<void> end(std::shared_ptr<Life> life);

  Scheduler& scheduler_;
  std::uint64_t seed_;
  SimNetwork network_;
  MakeProgram make_;
  std::vector<Machine> machines_;
  std::vector<std::shared_ptr<Life>> dead_;
  std::uint64_t life_count_ = 0;
  std::optional<std::string> problem_;
};

}  // namespace predastore::sim
