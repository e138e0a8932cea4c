#include "sim/faults.h"

#include <utility>

namespace predastore::sim {

FaultMix FaultMix::draw(SimRandom& random) {
  FaultMix mix;
  const auto draw = [&random] { return random.below(5) < 2; };
  mix.kill = draw();
  mix.power = draw();
  mix.pause = draw();
  mix.partition = draw();
  mix.one_way = draw();
  mix.clog = draw();
  mix.losses = draw();
  mix.all_down = random.below(5) == 0;
  mix.slow_disk = draw();
  mix.wrong_clock = draw();
  mix.interval = random.between(Duration{200ms}, Duration{3s});
  mix.longest = random.between(Duration{1s}, Duration{12s});
  mix.wipe = draw();
  return mix;
}

std::string FaultMix::to_string() const {
  std::string text;
  const std::pair<bool, const char*> all[] = {{kill, "kill"},
                                              {power, "power"},
                                              {pause, "pause"},
                                              {partition, "partition"},
                                              {one_way, "one_way"},
                                              {clog, "clog"},
                                              {losses, "losses"},
                                              {all_down, "all_down"},
                                              {slow_disk, "slow_disk"},
                                              {wrong_clock, "wrong_clock"},
                                              {wipe, "wipe"}};
  for (const auto& [is_on, name] : all) {
    if (is_on) text += (text.empty() ? "" : " ") + std::string(name);
  }
  return text.empty() ? "none" : text;
}

FaultInjector::FaultInjector(Scheduler& scheduler, Cluster& cluster, std::uint64_t seed,
                             FaultMix mix, std::size_t budget)
    : scheduler_(scheduler),
      cluster_(cluster),
      random_(SimRandom::derive(seed, "faults")),
      mix_(mix),
      budget_(budget) {}

void FaultInjector::start() {
  is_running_ = true;
  if (mix_.losses) {
    cluster_.network().faults.stream_loss = 0.002;
    cluster_.network().faults.connection_loss = 0.0003;
    cluster_.network().faults.slow = 0.01;
  }
  if (mix_.slow_disk) {
    const std::size_t slow = random_.below(cluster_.size());
    cluster_.disk(slow).faults.slow = 0.02;
  }
  arrange();
}

void FaultInjector::stop() {
  if (!is_running_) return;
  is_running_ = false;
  scheduler_.cancel(next_);
  while (!impaired_.empty()) relieve(impaired_.begin()->first);
  cluster_.network().heal();
  cluster_.network().faults.stream_loss = 0;
  cluster_.network().faults.connection_loss = 0;
  cluster_.network().faults.slow = 0;
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    cluster_.disk(i).faults = {};
    if (cluster_.is_in_play(i) && cluster_.life(i) == nullptr) cluster_.start(i);
  }
}

void FaultInjector::say(const std::string& line) {
  scheduler_.note(line);
  if (on_event) on_event(line);
}

void FaultInjector::arrange() {
  next_ = scheduler_.call_after(random_.between(Duration{1ms}, 2 * mix_.interval), [this] {
    act();
    arrange();
  });
}

std::vector<FaultInjector::Kind> FaultInjector::kinds() const {
  std::vector<Kind> kinds;
  if (mix_.kill) kinds.push_back(Kind::kill);
  if (mix_.power) kinds.push_back(Kind::power);
  if (mix_.pause) kinds.push_back(Kind::pause);
  if (mix_.partition) kinds.push_back(Kind::partition);
  if (mix_.one_way) kinds.push_back(Kind::one_way);
  if (mix_.clog) kinds.push_back(Kind::clog);
  if (mix_.wipe) kinds.push_back(Kind::wipe);
  return kinds;
}

void FaultInjector::act() {
  if (mix_.all_down && random_.below(8) == 0) return all_lose_power();
  look_at_wiped();
  const auto possible = kinds();
  if (possible.empty() || impaired_.size() + wiped_.size() >= budget_) return;
  const std::size_t machine = random_.below(cluster_.size());
  if (impaired_.contains(machine) || cluster_.life(machine) == nullptr) return;
  impair(machine, possible[random_.below(possible.size())]);
}

void FaultInjector::impair(std::size_t machine, Kind kind) {
  Impairment impairment{kind};
  const NodeId node = cluster_.node_of(machine);
  impairment.other = (machine + 1 + random_.below(cluster_.size() - 1)) % cluster_.size();
  const NodeId other = cluster_.node_of(impairment.other);
  const std::string name = "n" + std::to_string(machine + 1);
  ++fault_count_;
  switch (kind) {
    case Kind::kill:
      say("kill " + name);
      cluster_.kill(machine, Cluster::Death::process);
      break;
    case Kind::power:
      say("power off " + name);
      cluster_.kill(machine, Cluster::Death::power);
      break;
    case Kind::pause:
      say("pause " + name);
      cluster_.pause(machine);
      break;
    case Kind::partition:
      say("cut off " + name);
      cluster_.network().isolate(node);
      break;
    case Kind::one_way:
      say("cut the way from " + name + " to n" + std::to_string(impairment.other + 1));
      cluster_.network().block(node, other);
      break;
    case Kind::wipe:
      say("wipe the metadata of " + name);
      cluster_.kill(machine, Cluster::Death::process);
      cluster_.disk(machine).wipe("/data/meta");
      wiped_.insert(machine);
      break;
    case Kind::clog:
      say("clog the way from " + name + " to n" + std::to_string(impairment.other + 1));
      cluster_.network().clog(node, other, random_.between(Duration{50ms}, Duration{2s}));
      break;
  }
  const Duration lasts = random_.between(Duration{10ms}, mix_.longest);
  impairment.end_timer = scheduler_.call_after(lasts, [this, machine] { relieve(machine); });
  impaired_[machine] = impairment;
}

void FaultInjector::relieve(std::size_t machine) {
  const auto found = impaired_.find(machine);
  if (found == impaired_.end()) return;
  const Impairment impairment = found->second;
  impaired_.erase(found);
  scheduler_.cancel(impairment.end_timer);
  const NodeId node = cluster_.node_of(machine);
  const NodeId other = cluster_.node_of(impairment.other);
  say("relieve n" + std::to_string(machine + 1));
  switch (impairment.kind) {
    case Kind::kill:
    case Kind::power:
    case Kind::wipe:
      if (cluster_.is_in_play(machine) && cluster_.life(machine) == nullptr)
        cluster_.start(machine);
      break;
    case Kind::pause:
      if (cluster_.life(machine) != nullptr) cluster_.resume(machine);
      break;
    case Kind::partition:
      for (std::size_t i = 0; i < cluster_.size(); ++i) {
        if (i == machine) continue;
        cluster_.network().unblock(node, cluster_.node_of(i));
        cluster_.network().unblock(cluster_.node_of(i), node);
      }
      break;
    case Kind::one_way: cluster_.network().unblock(node, other); break;
    case Kind::clog: cluster_.network().clog(node, other, Duration{0}); break;
  }
}

void FaultInjector::look_at_wiped() {
  std::erase_if(wiped_, [this](std::size_t machine) {
    return !impaired_.contains(machine) && is_whole && is_whole(machine);
  });
}

// What was acknowledged was synced, so this loses nothing, whatever the budget is.
void FaultInjector::all_lose_power() {
  say("power off all");
  ++fault_count_;
  while (!impaired_.empty()) relieve(impaired_.begin()->first);
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    if (cluster_.life(i) == nullptr) continue;
    cluster_.kill(i, Cluster::Death::power);
    Impairment impairment{Kind::power};
    const Duration lasts = random_.between(Duration{10ms}, mix_.longest);
    impairment.end_timer = scheduler_.call_after(lasts, [this, i] { relieve(i); });
    impaired_[i] = impairment;
  }
}

}  // namespace predastore::sim
