#include "cli/heal_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/cluster_options.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/growth_client.h"

namespace predastore::cli {

namespace json = boost::json;

namespace {

struct Parsed {
  ClusterChoice cluster;
  std::function<int()>* command = nullptr;
  std::string rate;
};
using Shared = std::shared_ptr<Parsed>;

void print_nodes(const json::object& heal) {
  const json::array* nodes = list_of(heal, "nodes");
  if (nodes == nullptr || nodes->empty()) return;
  fmt::print("{:<8}  {:>10}  {:>10}  {:>15}  {:>5}\n", "NODE", "REPAIRED", "BYTES",
             "CLIENT REQUESTS", "LATE");
  for (const json::value& value : *nodes) {
    if (!value.is_object()) continue;
    const json::object& node = value.as_object();
    fmt::print("{:<8}  {:>10.0f}  {:>10}  {:>15.0f}  {:>5.0f}\n", text_of(node, "name"),
               number_of(node, "chunks_repaired"), size_text(number_of(node, "bytes_repaired")),
               number_of(node, "client_requests"), number_of(node, "client_requests_late"));
  }
}

void print_damaged(const json::object& heal) {
  const double count = number_of(heal, "chunks_unrepairable");
  if (count == 0) return;
  fmt::print("{:.0f} chunks are damaged beyond their parity; nothing of them is deleted:\n", count);
  const json::array* damaged = list_of(heal, "damaged");
  if (damaged == nullptr) return;
  for (const json::value& value : *damaged) {
    if (!value.is_object()) continue;
    const json::object& chunk = value.as_object();
    const std::string key = text_of(chunk, "key");
    if (!key.empty()) fmt::print("  {}/{}\n  ", text_of(chunk, "bucket"), key);
    fmt::print("  object id {}  chunk {:.0f}  {:.0f} good shards of the {:.0f} it needs\n",
               text_of(chunk, "object_id"), number_of(chunk, "chunk"),
               number_of(chunk, "shards_good"), number_of(chunk, "shards_needed"));
  }
}

void print_heal(const json::object& heal) {
  std::string left = "-";
  if (heal.if_contains("seconds_left") != nullptr)
    left = fmt::format("{:.0f} s", number_of(heal, "seconds_left"));
  const double limit = number_of(heal, "limit_bytes_per_second");
  fmt::print("state      {}\n", text_of(heal, "state"));
  fmt::print("done       {:.1f} %, {:.0f} chunks, {}\n", number_of(heal, "percent"),
             number_of(heal, "chunks_done"), size_text(number_of(heal, "bytes_done")));
  fmt::print("left       {:.0f} chunks, {}; {:.0f} of them wait\n", number_of(heal, "chunks_left"),
             size_text(number_of(heal, "bytes_left")), number_of(heal, "chunks_waiting"));
  fmt::print("rate       {}/s of at most {}\n", size_text(number_of(heal, "bytes_per_second")),
             limit == 0 ? "any" : size_text(limit) + "/s");
  fmt::print("time left  {}\n", left);
  if (const json::array* levels = list_of(heal, "by_redundancy")) {
    for (const json::value& value : *levels) {
      if (!value.is_object()) continue;
      fmt::print("  {:.0f} chunks have {:.0f} shards to spare\n",
                 number_of(value.as_object(), "chunks"),
                 number_of(value.as_object(), "shards_to_spare"));
    }
  }
  print_damaged(heal);
  print_nodes(heal);
}

int show(const Parsed& parsed, const GrowthAnswer& answer) {
  if (answer.exit_code != 0) return answer.exit_code;
  if (parsed.cluster.is_json()) {
    fmt::print("{}", answer.text);
  } else {
    print_heal(answer.body);
  }
  return kExitOk;
}

int set_rate(const Parsed& parsed) {
  return set_cluster_rate(parsed.cluster, "/v1/heal/rate", parsed.rate);
}

}  // namespace

void add_heal_commands(CLI::App& root, std::function<int()>* command) {
  auto parsed = std::make_shared<Parsed>();
  parsed->command = command;
  parsed->cluster.directory = "predastore-demo";
  CLI::App* heal = root.add_subcommand("heal", "The repair of what is missing or damaged");
  heal->require_subcommand(1);
  add_asking_command(
      *heal, parsed, "status", "How far it is, what is left, what cannot be repaired",
      [](const Parsed& p) { return show(p, ask_cluster(p.cluster, "GET", "/v1/heal")); });
  add_asking_command(
      *heal, parsed, "start", "Look on all drives for what is missing, and heal it",
      [](const Parsed& p) { return show(p, ask_cluster(p.cluster, "POST", "/v1/heal/start")); });
  add_asking_command(
      *heal, parsed, "pause", "Repair nothing until it is resumed",
      [](const Parsed& p) { return show(p, ask_cluster(p.cluster, "POST", "/v1/heal/pause")); });
  add_asking_command(*heal, parsed, "resume", "Go on", [](const Parsed& p) {
    return show(p, ask_cluster(p.cluster, "POST", "/v1/heal/resume"));
  });
  add_asking_command(*heal, parsed, "rate",
                     "How many bytes of chunks a second all nodes may repair together", set_rate)
      ->add_option("BYTES", parsed->rate, "0: without a limit")
      ->required();
  heal->footer(
      "Healing begins by itself. While clients are at work it has a quarter of its rate, and less\n"
      "while their requests are late.\n\n"
      "EXAMPLES\n"
      "    predastore heal status\n"
      "    predastore heal start && predastore heal status --output json\n"
      "    predastore heal pause && predastore heal resume\n"
      "    predastore heal rate 67108864\n\n"
      "SEE ALSO\n  predastore status, predastore job");
}

}  // namespace predastore::cli
