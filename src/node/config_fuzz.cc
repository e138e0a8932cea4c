#include "node/config.h"

// Any text: a configuration, or problems with places; never both, never neither.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace predastore;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const node::ConfigCheck check = node::check_config(text, "fuzz.toml");
  PREDA_ASSERT(check.config.has_value() == check.problems.empty());
  return 0;
}
