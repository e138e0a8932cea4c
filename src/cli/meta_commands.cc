#include "cli/meta_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "cli/cluster_options.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/growth_client.h"
#include "env/host.h"
#include "env/run_task.h"
#include "kv/kv.h"
#include "node/recovery.h"

namespace predastore::cli {

namespace json = boost::json;

namespace {

constexpr std::chrono::seconds kAskAgainAfter{1};

struct Parsed {
  ClusterChoice cluster;
  std::function<int()>* command = nullptr;
  std::string name;
  bool is_learner = false;
  bool is_sure = false;
};
using Shared = std::shared_ptr<Parsed>;

const json::array& members_of(const GrowthAnswer& answer) {
  static const json::array kNone;
  const json::array* members = list_of(answer.body, "members");
  return members != nullptr ? *members : kNone;
}

int show(const Parsed& parsed, const GrowthAnswer& answer) {
  if (answer.exit_code != 0) return answer.exit_code;
  if (parsed.cluster.is_json()) {
    fmt::print("{}", answer.text);
    return kExitOk;
  }
  fmt::print("{:<8}  {:<16}  {:<16}  {:<7}  {:<5}  {:>12}  {}\n", "NAME", "NODE", "REPLICA", "ROLE",
             "HEARD", "LACKS", "");
  for (const json::value& value : members_of(answer)) {
    if (!value.is_object()) continue;
    const json::object& member = value.as_object();
    const char* role = flag_of(member, "leads")   ? "leader"
                       : flag_of(member, "votes") ? "voter"
                                                  : "learner";
    const double lacks = number_of(answer.body, "last_index") - number_of(member, "stored_index");
    fmt::print("{:<8}  {:<16}  {:<16}  {:<7}  {:<5}  {:>12.0f}  {}\n", text_of(member, "name"),
               text_of(member, "node"), text_of(member, "replica"), role,
               flag_of(member, "heard") ? "yes" : "no", lacks,
               flag_of(member, "needs_snapshot") ? "needs a snapshot" : "");
  }
  return kExitOk;
}

GrowthAnswer change(const Parsed& parsed, const std::string& verb) {
  return ask_cluster(parsed.cluster, "POST", fmt::format("/v1/meta/{}/{}", parsed.name, verb));
}

// A learner first; it votes when it has caught up, which may take its time.
int add_member(const Parsed& parsed) {
  const GrowthAnswer added = change(parsed, "add");
  if (added.exit_code != 0 || parsed.is_learner) return show(parsed, added);
  fmt::print(stderr, "{} learns; it votes when it has caught up\n", parsed.name);
  for (;;) {
    const GrowthAnswer listed = ask_cluster(parsed.cluster, "GET", "/v1/meta");
    if (listed.exit_code != 0 && listed.exit_code != kExitUnreachable) return listed.exit_code;
    for (const json::value& value : members_of(listed)) {
      if (!value.is_object()) continue;
      const json::object& member = value.as_object();
      if (text_of(member, "name") != parsed.name && text_of(member, "node") != parsed.name)
        continue;
      if (flag_of(member, "votes")) return show(parsed, listed);
      const double lacks = number_of(listed.body, "last_index") - number_of(member, "stored_index");
      if (flag_of(member, "heard") && lacks <= 64) {
        const GrowthAnswer promoted = change(parsed, "promote");
        if (promoted.exit_code == 0) return show(parsed, promoted);
      }
    }
    std::this_thread::sleep_for(kAskAgainAfter);
  }
}

int recover_here(const Parsed& parsed) {
  const auto text = node::load_text(parsed.cluster.config_file);
  if (!text) return fail(kExitNotFound, text.error().detail);
  node::ConfigCheck check = node::check_config(*text, parsed.cluster.config_file);
  if (!check.config) {
    fmt::print(stderr, "{}\n", check.report(parsed.cluster.config_file));
    return kExitConfig;
  }
  if (!parsed.is_sure)
    return fail(kExitUsage,
                "this makes a new group of what this node's replica has; what it has not seen is "
                "lost, and the other replicas can never be used again: read docs/operations.md, "
                "then come again with --yes");
  ProductionHost host{2};
  const auto recovered = run_until_done(
      host.loop, node::recover_metadata(host.environment(), *check.config, kv::open_rocks));
  if (!recovered) return fail(kExitFailed, recovered.error().to_string());
  fmt::print(
      "replica {:016x} is the only voter of the new group {:016x}; its log ends at {}\n"
      "next: remove the meta directory of every other node, start all, and `predastore meta add` "
      "them\n"
      "the sweep is off until `predastore cluster set --sweep on`\n",
      recovered->identity.id.value(), recovered->identity.group, recovered->last_index);
  return kExitOk;
}

}  // namespace

void add_meta_commands(CLI::App& root, std::function<int()>* command) {
  auto parsed = std::make_shared<Parsed>();
  parsed->command = command;
  parsed->cluster.directory = "predastore-demo";
  CLI::App* meta = root.add_subcommand("meta", "The replicas of the metadata");
  meta->require_subcommand(1);
  add_asking_command(
      *meta, parsed, "ls", "List them, as the leader sees them",
      [](const Parsed& p) { return show(p, ask_cluster(p.cluster, "GET", "/v1/meta")); });
  const auto named = [&](CLI::App* app) {
    app->add_option("NODE", parsed->name, "Its name, or its id")->required();
    return app;
  };
  named(
      add_asking_command(*meta, parsed, "add", "Have a node keep a replica that votes", add_member))
      ->add_flag("--learner", parsed->is_learner, "Let it learn only; `meta promote` later");
  const std::pair<const char*, const char*> verbs[] = {
      {"promote", "Let a replica that has caught up vote"},
      {"demote", "Let a replica learn and not vote"},
      {"remove", "Take a node's replica out of the group"},
      {"transfer", "Have the replica of this node lead"}};
  for (const auto& [verb, help] : verbs) {
    const std::string name = verb;
    named(add_asking_command(*meta, parsed, name, help,
                             [name](const Parsed& p) { return show(p, change(p, name)); }));
  }
  CLI::App* recover = meta->add_subcommand(
      "recover",
      "Make a new group of the replica of a stopped node; for when the majority is lost");
  recover->add_option("--config", parsed->cluster.config_file, "The node's TOML file")->required();
  recover->add_flag("--yes", parsed->is_sure,
                    "Do it; otherwise it is only said what would be done");
  recover->callback([parsed] { *parsed->command = [parsed] { return recover_here(*parsed); }; });
  meta->footer(
      "One change at a time; each is refused, with the reason, when it would cost the majority.\n\n"
      "EXAMPLES\n"
      "    predastore meta ls\n"
      "    predastore meta add n4 && predastore meta remove n2\n"
      "    predastore meta transfer n1\n\n"
      "SEE ALSO\n  predastore node, predastore status");
}

}  // namespace predastore::cli
