#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "cli/bench/latency_histogram.h"
#include "cli/bench/options.h"

namespace predastore::cli::bench {

// Of one kind of request within the measured time. A request that lay partly in it counts by its
// share, so that long requests neither vanish nor come twice.
struct OperationResult {
  double requests = 0;
  double bytes = 0;
  double items = 0;
  std::uint64_t errors = 0;
  LatencyHistogram latency;     // of requests that were due within it
  LatencyHistogram first_byte;  // from when the request was sent
};

struct Results {
  std::map<std::string, OperationResult> operations;
  std::map<std::string, std::uint64_t> errors;  // by what was answered
  Duration measured{};
};

std::string results_text(const Options& options, const Results& results);
std::string results_json(const Options& options, const Results& results);

}  // namespace predastore::cli::bench
