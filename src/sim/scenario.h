#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "sim/simulation.h"

namespace predastore::sim {

// A scenario file (tests/sim/*.toml); docs/testing.md lists its keys. What it does not name is
// drawn from the seed. Unknown keys are errors.
Result<Scenario> parse_scenario(std::string_view text, const std::string& name);

}  // namespace predastore::sim
