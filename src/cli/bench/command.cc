#include "cli/bench/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "cli/bench/runner.h"
#include "cli/commands.h"
#include "cli/demo_layout.h"
#include "cli/exit_codes.h"
#include "env/host.h"
#include "env/run_task.h"

namespace predastore::cli::bench {

namespace {

// The options as they were written.
struct Words {
  std::string mode;
  std::string size = "1MiB";
  std::string duration = "10s";
  std::string warm_up = "2s";
  std::string range_size = "64KiB";
  std::string part_size = "16MiB";
  std::string payload = "unsigned";
  std::string output = "table";
  std::string directory;
  Options options;
};

Result<void> use_demo(Words& words) {
  PREDA_TRY(const DemoLayout demo, load_demo(words.directory));
  PREDA_TRY(const node::RootKey key, node::load_root_key(demo.nodes.front().root_key_file));
  Options& options = words.options;
  options.access_key_id = key.access_key_id;
  options.secret_access_key = key.secret_access_key;
  options.region = demo.nodes.front().region;
  if (!options.endpoints.empty()) return {};
  for (std::uint32_t number = 1; number <= demo.nodes.size(); ++number) {
    PREDA_TRY(const S3Endpoint endpoint, demo.s3_endpoint(number));
    options.endpoints.push_back(endpoint.url());
  }
  if (demo.has_tls() && options.ca_file.empty()) options.ca_file = demo.s3_ca_file();
  return {};
}

bool is_safe_in_a_path(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '/';
  });
}

Result<Options> checked(Words& words) {
  Options& options = words.options;
  PREDA_TRY(options.mode, parse_mode(words.mode));
  PREDA_TRY(options.sizes, SizeMix::parse(words.size));
  PREDA_TRY(options.duration, parse_duration(words.duration));
  PREDA_TRY(options.warm_up, parse_duration(words.warm_up));
  PREDA_TRY(options.range_bytes, parse_size(words.range_size));
  PREDA_TRY(options.part_bytes, parse_size(words.part_size));
  if (options.mode == Mode::remove) options.warm_up = Duration{};  // what is deleted is used up
  options.sign_payload = words.payload == "signed";
  options.is_json = words.output == "json";
  options.show_progress = !options.is_json && isatty(STDERR_FILENO) == 1;
  if (!words.directory.empty()) {
    PREDA_CHECK(use_demo(words));
  }
  if (options.endpoints.empty())
    return make_error(ErrorCode::InvalidArgument,
                      "where to? Give --endpoint, AWS_ENDPOINT_URL, or --dir of a demo cluster");
  if (!is_safe_in_a_path(options.bucket + options.prefix))
    return make_error(ErrorCode::InvalidArgument,
                      "--bucket and --prefix may have letters, digits, and . _ - / only");
  if (options.mode == Mode::ranged && (options.range_bytes == 0 || options.sizes.max() == 0))
    return make_error(ErrorCode::InvalidArgument, "a range of nothing cannot be read");
  if (options.mode == Mode::multipart && options.part_bytes < (5u << 20))
    return make_error(ErrorCode::InvalidArgument, "S3 takes parts from 5MiB on (--part-size)");
  return options;
}

int run(Words& words) {
  Result<Options> options = checked(words);
  if (!options) return fail(kExitUsage, options.error().detail);
  ProductionHost host(1);
  Runner runner(host.environment(), *options);
  Result<Results> results = run_until_done(host.loop, runner.run());
  if (!results) return fail(kExitUnreachable, results.error().detail);
  fmt::print(
      "{}", options->is_json ? results_json(*options, *results) : results_text(*options, *results));
  return results->errors.empty() ? kExitOk : kExitFailed;
}

void add_where(CLI::App& app, Words& words) {
  Options& options = words.options;
  app.add_option("--endpoint", options.endpoints, "http://HOST:PORT; more than one: in turn")
      ->delimiter(',')
      ->envname("AWS_ENDPOINT_URL");
  app.add_option("--access-key", options.access_key_id, "Access key id")
      ->envname("AWS_ACCESS_KEY_ID");
  app.add_option("--secret-key", options.secret_access_key, "Its secret")
      ->envname("AWS_SECRET_ACCESS_KEY");
  app.add_option("--region", options.region, "Region that is signed for")
      ->envname("AWS_DEFAULT_REGION")
      ->capture_default_str();
  app.add_option("--ca-file", options.ca_file, "For https: the authority's certificate, PEM");
  app.add_option("--dir", words.directory, "A local cluster of `demo`, instead of these");
  app.add_option("--bucket", options.bucket, "Made when it is not there")->capture_default_str();
  app.add_option("--prefix", options.prefix, "Of all keys")->capture_default_str();
}

void add_load(CLI::App& app, Words& words) {
  Options& options = words.options;
  app.add_option("--size", words.size, "Of objects: 64KiB, or a mix, 4KiB:70,1MiB:30")
      ->capture_default_str();
  app.add_option("--concurrency", options.concurrency, "Connections with one request each")
      ->check(CLI::Range(1u, 10'000u))
      ->capture_default_str();
  app.add_option("--duration", words.duration, "How long is measured")->capture_default_str();
  app.add_option("--warm-up", words.warm_up, "How long not yet")->capture_default_str();
  app.add_option("--objects", options.objects, "Made before, for modes that read or delete");
  app.add_option("--requests", options.requests_max, "Stop after so many");
  app.add_option("--rate", options.rate_per_s,
                 "Requests a second that are due whatever the server does; latency then counts "
                 "from when they were due")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--range-size", words.range_size, "Of `ranged`")->capture_default_str();
  app.add_option("--part-size", words.part_size, "Of `multipart`")->capture_default_str();
  app.add_option("--payload", words.payload, "unsigned, or signed with the SHA-256 of each body")
      ->check(CLI::IsMember({"unsigned", "signed"}))
      ->capture_default_str();
  app.add_flag("--verify", options.verify, "Compare every byte that is read");
  app.add_flag("--prepared", options.is_prepared,
               "The objects are there from an earlier run with --keep: make and remove none");
  app.add_flag("--keep", options.keep, "Leave the objects there");
  app.add_option("--output", words.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
}

}  // namespace

void add_command(CLI::App& root, std::function<int()>* command) {
  auto words = std::make_shared<Words>();
  CLI::App* app = root.add_subcommand("bench", "Measure an S3 server under load");
  app->add_option("MODE", words->mode,
                  "get, put, mixed, list, stat, delete, multipart, ranged or hot-key")
      ->required();
  add_where(*app, *words);
  add_load(*app, *words);
  app->footer(
      "Works with any S3 server. Exit code 1 when a request failed.\n\n"
      "EXAMPLES\n"
      "    predastore bench put --dir predastore-demo --size 64MiB --concurrency 8\n"
      "    predastore bench get --endpoint http://127.0.0.1:9000 --size 4KiB --concurrency 64\n"
      "    predastore bench mixed --size 4KiB:70,1MiB:30 --rate 500 --duration 60s\n"
      "    predastore bench list --objects 100000 --size 0 --output json\n\n"
      "SEE ALSO\n  predastore demo, docs/performance.md");
  app->callback([words, command] { *command = [words] { return run(*words); }; });
}

}  // namespace predastore::cli::bench
