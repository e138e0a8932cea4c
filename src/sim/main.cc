// predasim: runs clusters in one thread and virtual time. docs/testing.md, "The simulator".
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "node/config.h"
#include "sim/scenario.h"
#include "telemetry/log.h"

#ifndef PREDASTORE_COMMIT
#define PREDASTORE_COMMIT "unknown"
#endif

namespace predastore::sim {
namespace {

constexpr const char* kUsage =
    "predasim --seed N | --seeds FROM..TO  [--scenario FILE] [--twice] [--verbose]\n"
    "  --seed N         one run, drawn from N\n"
    "  --seeds FROM..TO all of them, in order, until one fails\n"
    "  --scenario FILE  what the seeds do not draw (tests/sim/*.toml)\n"
    "  --twice          each seed again: both runs must have the same history\n"
    "  --verbose        tell what happens\n";

struct Arguments {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::string scenario_file;
  bool twice = false;
  bool verbose = false;
  bool has_seed = false;
};

bool parse_number(std::string_view text, std::uint64_t* value) {
  const std::string copy(text);
  char* end = nullptr;
  *value = std::strtoull(copy.c_str(), &end, 10);
  return !copy.empty() && copy.front() != '-' && *end == '\0';
}

// --name VALUE and --name=VALUE.
bool parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    if (word == "--twice" || word == "--verbose") {
      (word == "--twice" ? arguments->twice : arguments->verbose) = true;
      continue;
    }
    const std::size_t equals = word.find('=');
    std::string_view value;
    if (equals != std::string_view::npos) {
      value = word.substr(equals + 1);
      word = word.substr(0, equals);
    } else if (i + 1 < argc) {
      value = argv[++i];
    } else {
      return false;
    }
    if (word == "--scenario") {
      arguments->scenario_file = value;
    } else if (word == "--seed") {
      if (!parse_number(value, &arguments->first)) return false;
      arguments->last = arguments->first;
      arguments->has_seed = true;
    } else if (word == "--seeds") {
      const std::size_t dots = value.find("..");
      if (dots == std::string_view::npos ||
          !parse_number(value.substr(0, dots), &arguments->first) ||
          !parse_number(value.substr(dots + 2), &arguments->last))
        return false;
      arguments->has_seed = true;
    } else {
      return false;
    }
  }
  return arguments->has_seed && arguments->first <= arguments->last;
}

Result<Scenario> load(const Arguments& arguments) {
  if (arguments.scenario_file.empty()) return Scenario{};
  PREDA_TRY(const std::string text, node::load_text(arguments.scenario_file));
  return parse_scenario(text, arguments.scenario_file);
}

// A failure is one line: what to run to see it again.
int report(const Arguments& arguments, std::uint64_t seed, const std::string& what) {
  std::string command = "predasim --seed=" + std::to_string(seed);
  if (!arguments.scenario_file.empty()) command += " --scenario " + arguments.scenario_file;
  std::printf("FAILED commit %s: %s: %s\n", PREDASTORE_COMMIT, command.c_str(), what.c_str());
  std::fflush(stdout);
  return 1;
}

int run(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, &arguments)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  auto scenario = load(arguments);
  if (!scenario) {
    std::fprintf(stderr, "predasim: %s\n", scenario.error().to_string().c_str());
    return 2;
  }
  scenario->verbose = arguments.verbose;
  telemetry::set_log_level(arguments.verbose ? telemetry::LogLevel::info
                                             : telemetry::LogLevel::error);
  for (std::uint64_t seed = arguments.first; seed <= arguments.last; ++seed) {
    const RunResult result = simulate(seed, *scenario);
    if (result.failure) return report(arguments, seed, *result.failure);
    if (arguments.twice && simulate(seed, *scenario).history_hash != result.history_hash)
      return report(arguments, seed, "two runs of it had different histories");
    std::printf("seed %llu ok, history %016llx: %s\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(result.history_hash), result.summary.c_str());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace predastore::sim

int main(int argc, char** argv) {
  const int code = predastore::sim::run(argc, argv);
  std::fflush(stdout);
  std::_Exit(code);  // a failed run's world is not taken apart
}
