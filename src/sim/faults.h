#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/cluster.h"

namespace predastore::sim {

// Which faults a run may have. Each run draws which are on, so that some are seen alone and some
// together.
struct FaultMix {
  bool kill = false;       // the process ends, the machine stays
  bool power = false;      // the machine ends, unsynced writes are lost in part
  bool pause = false;      // nothing of the process runs for a while
  bool partition = false;  // cut off from everybody
  bool one_way = false;    // one direction of one link is cut
  bool clog = false;       // one direction of one link is slow
  bool losses = false;     // streams and connections break
  bool all_down = false;   // all machines lose power at once
  bool slow_disk = false;
  bool wrong_clock = false;  // wall clocks are off and drift
  bool wipe = false;         // the metadata of a machine is lost for good
  Duration interval = 1s;    // between faults, on average
  Duration longest = 6s;     // that one lasts

  static FaultMix draw(SimRandom& random);
  std::string to_string() const;
};

// Makes and ends faults at drawn times. Never more machines are impaired at once than the budget
// allows, but for all_down, which loses nothing that was synced.
class FaultInjector {
 public:
  FaultInjector(Scheduler& scheduler, Cluster& cluster, std::uint64_t seed, FaultMix mix,
                std::size_t budget);
  ~FaultInjector() { stop(); }

  // Whether a machine's replica is again what it was before it was wiped; until then nothing else
  // happens to anybody beyond the budget. Before start().
  std::function<bool(std::size_t machine)> is_whole;
  void start();
  // No further faults; what lasts is ended, and whoever is down is started.
  void stop();
  std::uint64_t fault_count() const { return fault_count_; }
  // Machines that were wiped and are not whole yet.
  const std::set<std::size_t>& wiped() {
    look_at_wiped();
    return wiped_;
  }
  // Called with a line for each fault and each end of one.
  std::function<void(const std::string& line)> on_event;

 private:
  enum class Kind : std::uint8_t { kill, power, pause, partition, one_way, clog, wipe };
  struct Impairment {
    Kind kind;
    std::size_t other = 0;
    Scheduler::TimerId end_timer = 0;
  };

  void arrange();
  void act();
  void impair(std::size_t machine, Kind kind);
  void relieve(std::size_t machine);
  void all_lose_power();
  void look_at_wiped();
  void say(const std::string& line);
  std::vector<Kind> kinds() const;

  Scheduler& scheduler_;
  Cluster& cluster_;
  SimRandom random_;
  FaultMix mix_;
  std::size_t budget_;
  bool is_running_ = false;
  Scheduler::TimerId next_ = 0;
  std::map<std::size_t, Impairment> impaired_;
  std::set<std::size_t> wiped_;  // and not whole yet
  std::uint64_t fault_count_ = 0;
};

}  // namespace predastore::sim
