#include "cli/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <functional>
#include <system_error>

#include "cli/bench/command.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/growth_commands.h"
#include "cli/heal_commands.h"
#include "cli/meta_commands.h"
#include "cli/node_add.h"
#include "cli/topology_commands.h"

namespace predastore::cli {

namespace {

constexpr const char* kDefaultDirectory = "predastore-demo";

// What the options are parsed into, and the command that was chosen.
struct Parsed {
  std::function<int()> command;
  DemoOptions demo;
  std::string directory = kDefaultDirectory;
  std::uint32_t number = 0;
  bool is_spare = false;
  std::string config_file;
  StatusOptions status;
  std::string output = "table";
  KeyCommand key;
  OptionsCommand options;
  CertOptions cert;
  FsckCommand fsck;
  std::string shard_file;
};

CLI::Option* add_directory(CLI::App& app, std::string& directory) {
  return app.add_option("--dir", directory, "Where the local cluster is")
      ->envname("PREDASTORE_DEMO_DIR")
      ->capture_default_str();
}

void choose(CLI::App& app, Parsed& parsed, std::function<int()> command) {
  app.callback([&parsed, command = std::move(command)] { parsed.command = command; });
}

void add_node_command(CLI::App& demo, Parsed& parsed, const std::string& name,
                      const std::string& help, int (*run)(const std::string&, std::uint32_t)) {
  CLI::App* app = demo.add_subcommand(name, help);
  app->add_option("NODE", parsed.number, "Number of the node, counted from 1")->required();
  add_directory(*app, parsed.directory);
  choose(*app, parsed, [&parsed, run] { return run(parsed.directory, parsed.number); });
}

void add_cluster_command(CLI::App& demo, Parsed& parsed, const std::string& name,
                         const std::string& help, int (*run)(const std::string&)) {
  CLI::App* app = demo.add_subcommand(name, help);
  add_directory(*app, parsed.directory);
  choose(*app, parsed, [&parsed, run] { return run(parsed.directory); });
}

void add_demo(CLI::App& root, Parsed& parsed) {
  CLI::App* demo = root.add_subcommand("demo", "A local cluster of real server processes");
  demo->require_subcommand(0, 1);
  DemoOptions& options = parsed.demo;
  auto* nodes =
      demo->add_option("--nodes", options.node_count, "How many nodes")->capture_default_str();
  auto* rs = demo->add_option("--rs", options.rs, "Reed-Solomon scheme, DATA+PARITY")
                 ->capture_default_str();
  auto* port = demo->add_option("--s3-port", options.s3_port,
                                "S3 port of node 1; node i has this + i - 1. The cluster's and the "
                                "administration's ports lie 1300 and 1200 below")
                   ->capture_default_str();
  auto* drives = demo->add_option("--drives", options.drive_count, "How many drives a node")
                     ->capture_default_str();
  demo->add_option("--drive-capacity", options.drive_capacity,
                   "What a drive may store, such as 256MiB (default: what the file system has)");
  demo->add_flag("--tls", options.has_tls,
                 "S3 over HTTPS, with an authority of its own (`demo env` names it to clients)");
  demo->add_option("--settings", options.settings_file,
                   "A TOML file with more sections for the configuration of every node, such as "
                   "[epochs]");
  demo->add_flag("--detach", options.is_detached, "Return when the cluster is ready");
  add_directory(*demo, parsed.directory);
  demo->footer(
      "A DIR that exists is started again with its data.\n\n"
      "EXAMPLES\n"
      "  Three nodes that survive the loss of one, until Ctrl-C:\n"
      "    predastore demo\n"
      "  Five nodes with RS(3,2) in the background, beside the first cluster:\n"
      "    predastore demo --nodes 5 --rs 3+2 --s3-port 9100 --dir /tmp/five --detach\n"
      "  Point S3 clients at it:\n"
      "    eval \"$(predastore demo env)\" && aws s3 ls\n"
      "  Lose a node and get it back:\n"
      "    predastore demo kill 2 && predastore demo start 2\n\n"
      "SEE ALSO\n  predastore status, predastore server");
  demo->callback([&parsed, demo, nodes, rs, port, drives] {
    if (!demo->get_subcommands().empty()) return;
    parsed.demo.directory = parsed.directory;
    parsed.demo.has_node_count = nodes->count() > 0;
    parsed.demo.has_rs = rs->count() > 0;
    parsed.demo.has_drive_count = drives->count() > 0;
    parsed.demo.has_s3_port = port->count() > 0;
    parsed.command = [&parsed] { return demo_run(parsed.demo); };
  });
  add_cluster_command(*demo, parsed, "env", "Print what S3 clients need, for `eval`", demo_env);
  add_node_command(*demo, parsed, "kill", "End a node's process at once (SIGKILL)", demo_kill);
  add_node_command(*demo, parsed, "start", "Start a node's process with its data", demo_start);
  add_node_command(*demo, parsed, "pause", "Let a node's process stand still", demo_pause);
  add_node_command(*demo, parsed, "resume", "Let a paused process go on", demo_resume);
  add_cluster_command(*demo, parsed, "stop", "Stop all nodes; the data stays", demo_stop);
  CLI::App* add = demo->add_subcommand("add", "Add a node to the cluster and to its ring");
  add_directory(*add, parsed.directory);
  add->add_flag("--spare", parsed.is_spare, "Not to the ring: it is to replace another one");
  choose(*add, parsed, [&parsed] { return demo_add(parsed.directory, parsed.is_spare); });
  add_cluster_command(*demo, parsed, "check", "Store an object and read it through every node",
                      demo_check);
}

void add_server(CLI::App& root, Parsed& parsed) {
  CLI::App* app = root.add_subcommand("server", "Run one node");
  app->add_option("--config", parsed.config_file, "Its TOML file")
      ->envname("PREDASTORE_CONFIG")
      ->required();
  app->footer(
      "EXAMPLES\n    predastore server --config /etc/predastore/predastore.toml\n\n"
      "SEE ALSO\n  predastore config check, predastore cert");
  choose(*app, parsed, [&parsed] { return serve(parsed.config_file); });
}

void add_status(CLI::App& root, Parsed& parsed) {
  CLI::App* app =
      root.add_subcommand("status", "Nodes, leader, whether all data is readable, repair work");
  app->add_option("--output", parsed.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app->add_option("--config", parsed.config_file, "A node's TOML file (instead of --dir)");
  add_directory(*app, parsed.directory);
  app->footer(
      "Every node is asked; the best answer is shown. Exit codes: 0 healthy, 10 degraded, 11\n"
      "unavailable.\n\n"
      "EXAMPLES\n"
      "    predastore status\n"
      "    predastore status --output json --dir /tmp/five | jq .failures_left\n"
      "    predastore status --config /etc/predastore/predastore.toml\n\n"
      "SEE ALSO\n  predastore demo");
  choose(*app, parsed, [&parsed] {
    parsed.status.config_file = parsed.config_file;
    parsed.status.directory = parsed.directory;
    parsed.status.is_json = parsed.output == "json";
    return status(parsed.status);
  });
}

CLI::App* add_key_command(CLI::App& keys, Parsed& parsed, const std::string& action,
                          const std::string& help) {
  CLI::App* app = keys.add_subcommand(action, help);
  if (action != "create" && action != "ls")
    app->add_option("ID", parsed.key.id, "The access key id")->required();
  app->add_option("--output", parsed.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app->add_option("--config", parsed.config_file, "A node's TOML file (instead of --dir)");
  add_directory(*app, parsed.directory);
  choose(*app, parsed, [&parsed, action] {
    parsed.key.action = action;
    parsed.key.config_file = parsed.config_file;
    parsed.key.directory = parsed.directory;
    parsed.key.is_json = parsed.output == "json";
    return key(parsed.key);
  });
  return app;
}

void add_key(CLI::App& root, Parsed& parsed) {
  CLI::App* keys = root.add_subcommand("key", "The access keys of S3");
  keys->require_subcommand(1);
  CLI::App* create =
      add_key_command(*keys, parsed, "create", "Make a key; its secret is shown once");
  create->add_option("--description", parsed.key.description, "What it is for");
  add_key_command(*keys, parsed, "ls", "List the keys, without secrets");
  add_key_command(*keys, parsed, "enable", "Let a key be used again");
  add_key_command(*keys, parsed, "disable", "Refuse a key, and keep it");
  add_key_command(*keys, parsed, "rotate", "Give a key a new secret, which is shown once");
  add_key_command(*keys, parsed, "rm", "Remove a key for good");
  keys->footer(
      "All gateways go by a change within 5 seconds, and without a restart. To change the key of "
      "a\n"
      "program that runs: create a second one, give it that, and disable the first.\n\n"
      "EXAMPLES\n"
      "    predastore key create --description backup\n"
      "    predastore key ls --output json --config /etc/predastore/predastore.toml\n"
      "    predastore key disable PSEXAMPLEEXAMPLE1234\n"
      "    predastore key rotate PSEXAMPLEEXAMPLE1234");
}

CLI::App* add_options_command(CLI::App& parent, Parsed& parsed, const std::string& action,
                              const std::string& help, int (*run)(const OptionsCommand&)) {
  CLI::App* app = parent.add_subcommand(action, help);
  app->add_option("--output", parsed.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app->add_option("--config", parsed.config_file, "A node's TOML file (instead of --dir)");
  add_directory(*app, parsed.directory);
  choose(*app, parsed, [&parsed, action, run] {
    parsed.options.action = action;
    parsed.options.config_file = parsed.config_file;
    parsed.options.directory = parsed.directory;
    parsed.options.is_json = parsed.output == "json";
    return run(parsed.options);
  });
  return app;
}

void add_bucket(CLI::App& root, Parsed& parsed) {
  CLI::App* bucket = root.add_subcommand("bucket", "How the objects of a bucket are stored");
  bucket->require_subcommand(1);
  CLI::App* show =
      add_options_command(*bucket, parsed, "show", "One bucket, or all of them", bucket_options);
  show->add_option("NAME", parsed.options.bucket, "The bucket (default: all)");
  CLI::App* set = add_options_command(*bucket, parsed, "set", "Change how new objects are stored",
                                      bucket_options);
  set->add_option("NAME", parsed.options.bucket, "The bucket")->required();
  set->add_option("--compression", parsed.options.compression, "Of new objects")
      ->check(CLI::IsMember({"default", "none", "lz4", "snappy", "zstd"}));
  set->add_option("--rs", parsed.options.rs, "Reed-Solomon scheme of new objects, DATA+PARITY");
  bucket->footer(
      "New objects go by it within a second; those that are there stay as they are.\n\n"
      "EXAMPLES\n"
      "    predastore bucket show\n"
      "    predastore bucket set logs --compression zstd\n"
      "    predastore bucket set photos --rs 3+2 && predastore rs migrate photos");
}

void add_cluster(CLI::App& root, Parsed& parsed) {
  CLI::App* cluster = root.add_subcommand("cluster", "What is set for the whole cluster");
  cluster->require_subcommand(1);
  add_options_command(*cluster, parsed, "show", "All of it", cluster_options);
  CLI::App* set = add_options_command(*cluster, parsed, "set", "Change it", cluster_options);
  set->add_option("--compression", parsed.options.compression, "Of buckets that do not say")
      ->check(CLI::IsMember({"none", "lz4", "snappy", "zstd"}));
  set->add_option("--inline-max", parsed.options.inline_max_bytes,
                  "Objects up to this many bytes go with the metadata, 0 to 65536; 0: none do. "
                  "Those that are "
                  "there stay, until `rs migrate`")
      ->check(CLI::Range(0, 65536));
  set->add_option(
         "--sweep", parsed.options.sweep,
         "Whether shards that nothing names are deleted. It is to be off after metadata was "
         "recovered by hand, until all that counts is known to be named")
      ->check(CLI::IsMember({"on", "off"}));
  add_options_command(*cluster, parsed, "reconcile",
                      "Have every node compare its drives with the metadata, now; see `status`",
                      cluster_options);
  cluster->footer(
      "EXAMPLES\n"
      "    predastore cluster reconcile\n"
      "    predastore cluster show\n"
      "    predastore cluster set --compression lz4\n"
      "    predastore cluster set --sweep off");
}

void add_config(CLI::App& root, Parsed& parsed) {
  CLI::App* config = root.add_subcommand("config", "Configuration files");
  config->require_subcommand(1);
  CLI::App* check = config->add_subcommand("check", "Tell everything that is wrong with a file");
  check->add_option("FILE", parsed.config_file, "The TOML file of a node")->required();
  check->footer(
      "Messages are FILE:LINE:COLUMN: error: TEXT; with one the exit code is 3.\n\n"
      "EXAMPLES\n    predastore config check /etc/predastore/predastore.toml");
  choose(*check, parsed, [&parsed] { return config_check(parsed.config_file); });
}

void add_cert(CLI::App& root, Parsed& parsed) {
  CLI::App* cert = root.add_subcommand("cert", "The certificates between the nodes of a cluster");
  cert->require_subcommand(1);
  CertOptions& options = parsed.cert;
  CLI::App* init = cert->add_subcommand("init", "Make the authority of a new cluster");
  init->add_option("--dir", options.directory, "Where ca.pem and ca.key go")->capture_default_str();
  init->add_option("--cluster-id", options.cluster_id, "32 hexadecimal digits (default: random)");
  choose(*init, parsed, [&parsed] { return cert_init(parsed.cert); });
  CLI::App* issue = cert->add_subcommand("issue", "Make a node's certificate and key");
  issue->add_option("--dir", options.directory, "Where ca.pem and ca.key are")
      ->capture_default_str();
  issue->add_option("--node-id", options.node_id, "16 hexadecimal digits (default: random)");
  issue->add_option("--host", options.hosts, "A name or address of the node; may be repeated")
      ->required();
  issue->add_option("--out", options.out, "Makes OUT.pem and OUT.key")->required();
  choose(*issue, parsed, [&parsed] { return cert_issue(parsed.cert); });
  CLI::App* show = cert->add_subcommand("show", "Whose certificate a file is");
  show->add_option("FILE", options.file, "A node's certificate, PEM")->required();
  choose(*show, parsed, [&parsed] { return cert_show(parsed.cert); });
  cert->footer(
      "EXAMPLES\n"
      "    predastore cert init --dir ca\n"
      "    predastore cert issue --dir ca --host 10.0.0.1 --host n1.example.org --out n1\n"
      "    predastore cert show n1.pem");
}

void add_drive_tools(CLI::App& root, Parsed& parsed) {
  CLI::App* check = root.add_subcommand("fsck", "Check the drives of a node that is not running");
  auto* data = check->add_option("--data", parsed.fsck.data_directory, "The node's data directory");
  auto* config = check->add_option("--config", parsed.fsck.config_file,
                                   "Or its TOML file, for drives that are elsewhere");
  data->excludes(config);
  check->add_flag("--repair-kv", parsed.fsck.repair_kv, "Write the local KV anew from the files");
  check->footer(
      "Reads every shard file whole, and holds the local KV against them. Exit code 1 with a line\n"
      "for each problem.\n\n"
      "EXAMPLES\n"
      "    predastore fsck --data predastore-demo/n1/data\n"
      "    predastore fsck --data predastore-demo/n1/data --repair-kv");
  choose(*check, parsed, [&parsed] {
    if (parsed.fsck.data_directory.empty() && parsed.fsck.config_file.empty())
      return fail(kExitUsage, "fsck needs --data or --config");
    return fsck(parsed.fsck);
  });
  CLI::App* inspect_file =
      root.add_subcommand("inspect", "Print a shard file: header, records, footer");
  inspect_file->add_option("FILE", parsed.shard_file, "A path that ends in shards/<name>.shard")
      ->required();
  choose(*inspect_file, parsed, [&parsed] { return inspect(parsed.shard_file); });
}

void print_version() { fmt::print("predastore {}\n", PREDASTORE_VERSION); }

}  // namespace

int fail(int code, const std::string& message) {
  std::string text = message;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  fmt::print(stderr, "predastore: {}\n", text);
  return code;
}

int run(int argc, const char* const* argv) {
  CLI::App root{"Predastore: an S3-compatible, erasure-coded object store.", "predastore"};
  root.require_subcommand(1);
  root.set_version_flag("--version", std::string("predastore ") + PREDASTORE_VERSION);
  root.footer(
      "EXAMPLES\n"
      "    predastore demo                 a local cluster of three nodes\n"
      "    predastore status               how it is\n"
      "    predastore demo --help          kill, pause and start its nodes\n\n"
      "Exit codes: 0 ok, 1 failed, 2 usage, 3 configuration, 4 not found, 6 unreachable,\n"
      "10 degraded, 11 unavailable, 130 interrupted.");
  Parsed parsed;
  add_server(root, parsed);
  add_demo(root, parsed);
  add_status(root, parsed);
  add_key(root, parsed);
  add_bucket(root, parsed);
  add_cluster(root, parsed);
  add_config(root, parsed);
  add_cert(root, parsed);
  add_drive_tools(root, parsed);
  bench::add_command(root, &parsed.command);
  add_growth_commands(root, &parsed.command);
  add_heal_commands(root, &parsed.command);
  add_topology_commands(root, &parsed.command);
  add_meta_commands(root, &parsed.command);
  CLI::App* version = root.add_subcommand("version", "Print the version");
  choose(*version, parsed, [] {
    print_version();
    return kExitOk;
  });
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return root.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  try {
    return parsed.command();
  } catch (const std::system_error&) {  // of fmt::print: whoever read the output has gone
    return kExitFailed;
  }
}

}  // namespace predastore::cli
