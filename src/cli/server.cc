#include "node/server.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "node/config.h"

namespace predastore::cli {

int config_check(const std::string& config_file) {
  const auto text = node::load_text(config_file);
  if (!text) return fail(kExitNotFound, text.error().detail);
  const node::ConfigCheck check = node::check_config(*text, config_file);
  if (check.config) {
    fmt::print("{}: good\n", config_file);
    return kExitOk;
  }
  fmt::print(stderr, "{}{} errors\n", check.report(config_file), check.problems.size());
  return kExitConfig;
}

int serve(const std::string& config_file) {
  const auto text = node::load_text(config_file);
  if (!text) return fail(kExitNotFound, text.error().detail);
  node::ConfigCheck check = node::check_config(*text, config_file);
  if (!check.config) {
    fmt::print(stderr, "{}", check.report(config_file));
    return kExitConfig;
  }
  const auto served = node::run_server(std::move(*check.config));
  if (!served) return fail(kExitFailed, served.error().to_string());
  return kExitOk;
}

}  // namespace predastore::cli
