#include "cli/bench/results.h"

#include <fmt/format.h>

#include <boost/json.hpp>

namespace predastore::cli::bench {

namespace {

namespace json = boost::json;

double milliseconds(Duration duration) { return static_cast<double>(duration.count()) / 1e6; }

double per_second(const Results& results, double count) {
  const double seconds = static_cast<double>(results.measured.count()) / 1e9;
  return seconds > 0 ? count / seconds : 0;
}

json::object latency_json(const LatencyHistogram& latency) {
  return {{"p50", milliseconds(latency.quantile(0.5))},
          {"p90", milliseconds(latency.quantile(0.9))},
          {"p99", milliseconds(latency.quantile(0.99))},
          {"p999", milliseconds(latency.quantile(0.999))},
          {"max", milliseconds(latency.max())}};
}

std::string latency_text(const char* what, const LatencyHistogram& latency) {
  return fmt::format("  {:<12} p50 {:.2f}  p90 {:.2f}  p99 {:.2f}  p99.9 {:.2f}  max {:.2f} ms\n",
                     what, milliseconds(latency.quantile(0.5)), milliseconds(latency.quantile(0.9)),
                     milliseconds(latency.quantile(0.99)), milliseconds(latency.quantile(0.999)),
                     milliseconds(latency.max()));
}

std::string loop_text(const Options& options) {
  if (options.rate_per_s <= 0) return "closed loop";
  return fmt::format("open loop at {:g} requests/s", options.rate_per_s);
}

}  // namespace

std::string results_text(const Options& options, const Results& results) {
  std::string text =
      fmt::format("{} · size {} · concurrency {} · {} · {:.1f} s measured · payload {}\n",
                  name_of(options.mode), options.sizes.text(), options.concurrency,
                  loop_text(options), static_cast<double>(results.measured.count()) / 1e9,
                  options.sign_payload ? "SHA-256" : "unsigned");
  for (const auto& [name, operation] : results.operations) {
    text += fmt::format("{:<10} {:.1f} MiB/s · {:.1f} requests/s", name,
                        per_second(results, operation.bytes) / (1 << 20),
                        per_second(results, operation.requests));
    if (operation.items > 0)
      text += fmt::format(" · {:.0f} {}/s", per_second(results, operation.items),
                          name == "list" ? "keys" : "parts");
    text += fmt::format(" · {} errors\n", operation.errors);
    text += latency_text("latency", operation.latency);
    text += latency_text("first byte", operation.first_byte);
  }
  for (const auto& [error, count] : results.errors)
    text += fmt::format("  {} × {}\n", count, error);
  return text;
}

std::string results_json(const Options& options, const Results& results) {
  json::array endpoints;
  for (const std::string& endpoint : options.endpoints) endpoints.emplace_back(endpoint);
  json::object operations;
  for (const auto& [name, operation] : results.operations) {
    operations[name] = json::object{{"requests", operation.requests},
                                    {"requests_per_s", per_second(results, operation.requests)},
                                    {"mib_per_s", per_second(results, operation.bytes) / (1 << 20)},
                                    {"items_per_s", per_second(results, operation.items)},
                                    {"errors", operation.errors},
                                    {"latency_ms", latency_json(operation.latency)},
                                    {"first_byte_ms", latency_json(operation.first_byte)}};
  }
  json::object errors;
  for (const auto& [error, count] : results.errors) errors[error] = count;
  const json::object answer{{"mode", name_of(options.mode)},
                            {"endpoints", endpoints},
                            {"size", options.sizes.text()},
                            {"concurrency", options.concurrency},
                            {"rate_per_s", options.rate_per_s},
                            {"payload", options.sign_payload ? "sha256" : "unsigned"},
                            {"measured_s", static_cast<double>(results.measured.count()) / 1e9},
                            {"operations", operations},
                            {"errors", errors}};
  return json::serialize(answer) + "\n";
}

}  // namespace predastore::cli::bench
