#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/clients.h"
#include "sim/faults.h"
#include "sim/operator.h"

namespace predastore::sim {

// A run of a whole cluster: everything that is not given is drawn from the seed.
struct Scenario {
  std::string name = "drawn";
  std::size_t node_count = 3;
  std::size_t spare_count = 0;  // machines that may join later, without a replica
  std::vector<Step> steps;      // what an operator does, one after the other, under load and faults
  Duration busy = 30s;          // clients and faults
  Duration heals_within = 120s;  // after that
  Duration steps_within = 900s;
  ClientOptions clients;
  std::optional<FaultMix> faults;
  std::optional<Tunables> tunables;
  bool verbose = false;  // tells what happens, on standard error
  // What a run must be found out about: the checks themselves are tested with it.
  double lying_sync = 0;
};

struct RunResult {
  std::optional<std::string> failure;
  std::uint64_t history_hash = 0;
  std::string summary;
  Clients::Counts counts;
  std::uint64_t fault_count = 0;
  std::uint64_t operation_count = 0;
};

// The same seed and scenario at the same commit give the same history_hash.
RunResult simulate(std::uint64_t seed, const Scenario& scenario);

}  // namespace predastore::sim
