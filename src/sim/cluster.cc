#include "sim/cluster.h"

#include <algorithm>
#include <utility>

namespace predastore::sim {
namespace {

// Every wait has a deadline, so whatever was under way ends within this.
constexpr Duration kEndsWithin = 300s;

}  // namespace

Cluster::Cluster(Scheduler& scheduler, std::uint64_t seed, std::size_t machine_count,
                 NetworkOptions network_options, DiskOptions disk_options, MakeProgram make)
    : scheduler_(scheduler),
      seed_(seed),
      network_(scheduler, SimRandom::derive(seed, "network"), network_options),
      make_(std::move(make)) {
  for (std::size_t i = 0; i < machine_count; ++i) {
    auto disk =
        std::make_unique<SimDisk>(scheduler, SimRandom::derive(seed, "disk", i), disk_options);
    machines_.push_back({NodeId{i + 1}, std::move(disk), nullptr, false});
  }
}

Cluster::~Cluster() {
  for (const Machine& machine : machines_) PREDA_ASSERT(machine.life == nullptr);
  PREDA_ASSERT(dead_.empty());
}

void Cluster::start(std::size_t index) {
  Machine& machine = machines_[index];
  PREDA_ASSERT(machine.life == nullptr);
  machine.is_in_play = true;
  const std::string name = "n" + std::to_string(index + 1);
  auto life = std::make_shared<Life>(scheduler_, *machine.disk, network_, machine.node, name,
                                     SimRandom::derive(seed_, "life", ++life_count_));
  life->program = make_(index, *life);
  machine.life = life;
  boost::asio::co_spawn(life->host.process.executor(), live(life), scheduler_detail::rethrow);
}

Task<void> Cluster::live(std::shared_ptr<Life> life) {
  auto opened = co_await life->program->open();
  if (!opened) {
    life->open_error = opened.error();
    if (!life->is_dead)
      problem_ = life->host.process.name() + " could not open: " + opened.error().to_string();
    life->is_over = true;
    co_return;
  }
  if (life->is_dead && !life->is_stopping) {
    life->is_stopping = true;
    boost::asio::co_spawn(life->host.process.executor(), end(life), scheduler_detail::rethrow);
  }
  life->is_ready = !life->is_dead;
  co_await life->program->run();
  const bool was_told = life->is_stopping;
  if (!was_told && !life->is_dead)
    problem_ = life->host.process.name() + " stopped running on its own";
  if (!was_told) life->is_over = true;
}

Task<void> Cluster::end(std::shared_ptr<Life> life) {
  co_await life->program->stop();
  (void)co_await life->calls.join();
  life->is_over = true;
}

void Cluster::kill(std::size_t index, Death death) {
  Machine& machine = machines_[index];
  PREDA_ASSERT(machine.life != nullptr);
  auto life = std::exchange(machine.life, nullptr);
  life->is_dead = true;
  life->died = scheduler_.now();
  if (death == Death::power) {
    machine.disk->lose_power();
  } else {
    machine.disk->kill_process();
  }
  network_.detach(machine.node);
  life->host.process.resume();
  if (life->is_ready && !life->is_over) {
    life->is_ready = false;
    life->is_stopping = true;
    boost::asio::co_spawn(life->host.process.executor(), end(life), scheduler_detail::rethrow);
  }
  dead_.push_back(std::move(life));
}

void Cluster::retire(std::size_t index) {
  machines_[index].is_in_play = false;
  if (machines_[index].life != nullptr) kill(index, Death::power);
}

void Cluster::pause(std::size_t index) {
  machines_[index].life->host.process.pause();
  network_.watch(machines_[index].node);
}

void Cluster::resume(std::size_t index) {
  machines_[index].life->host.process.resume();
  network_.watch(machines_[index].node);
}

void Cluster::bury() {
  for (auto dead = dead_.begin(); dead != dead_.end();) {
    Life& life = **dead;
    const bool can_go = life.is_over && life.calls.running() == 0 && dead->use_count() == 1;
    if (can_go) {
      scheduler_.settle();  // the last of its coroutines leave their frames
      dead = dead_.erase(dead);
      continue;
    }
    if (scheduler_.now() > life.died + kEndsWithin && !problem_)
      problem_ = life.host.process.name() + " was killed, and something of it never ended";
    ++dead;
  }
}

bool Cluster::shut_down() {
  for (Machine& machine : machines_) {
    if (machine.life == nullptr) continue;
    auto life = std::exchange(machine.life, nullptr);
    life->host.process.resume();
    life->died = scheduler_.now();
    if (life->is_ready && !life->is_over) {
      life->is_ready = false;
      life->is_stopping = true;
      boost::asio::co_spawn(life->host.process.executor(), end(life), scheduler_detail::rethrow);
    } else {
      life->is_dead = true;
    }
    dead_.push_back(std::move(life));
  }
  const Instant limit = scheduler_.now() + kEndsWithin + 10s;
  auto all_over = [this] {
    return std::ranges::all_of(
        dead_, [](const auto& life) { return life->is_over && life->calls.running() == 0; });
  };
  const bool ended = scheduler_.run(all_over, limit);
  scheduler_.settle();
  bury();
  return ended && dead_.empty();
}

}  // namespace predastore::sim
