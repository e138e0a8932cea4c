#include "cli/growth_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "cli/cluster_options.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/growth_client.h"

namespace predastore::cli {

namespace json = boost::json;

namespace {

constexpr std::chrono::seconds kWatchInterval{1};

// What the options of all these commands are parsed into.
struct Parsed {
  ClusterChoice cluster;
  std::function<int()>* command = nullptr;
  std::uint64_t job = 0;
  std::string name;
  std::string rate;
  bool is_all = false;
  bool is_watched = false;
};
using Shared = std::shared_ptr<Parsed>;

// ---- jobs

std::string job_line(const json::object& job) {
  std::string left = "-";
  if (job.if_contains("seconds_left") != nullptr)
    left = fmt::format("{:.0f} s", number_of(job, "seconds_left"));
  std::string argument = text_of(job, "argument");
  if (argument.empty()) argument = "-";
  return fmt::format(
      "{:>4.0f}  {:<11}  {:<20}  {:<9}  {:>5.1f} %  {:>9.0f}  {:>10}  {:>12}  {:>8}  {}\n",
      number_of(job, "id"), text_of(job, "kind"), argument, text_of(job, "state"),
      number_of(job, "percent"), number_of(job, "items_done"),
      size_text(number_of(job, "bytes_done")), size_text(number_of(job, "bytes_per_second")) + "/s",
      left, text_of(job, "detail"));
}

void print_jobs(const json::array& jobs) {
  fmt::print("{:>4}  {:<11}  {:<20}  {:<9}  {:>7}  {:>9}  {:>10}  {:>12}  {:>8}  {}\n", "ID",
             "KIND", "OF", "STATE", "DONE", "CHANGED", "BYTES", "RATE", "LEFT", "DETAIL");
  for (const json::value& job : jobs) {
    if (job.is_object()) fmt::print("{}", job_line(job.as_object()));
  }
}

int show_job(const Parsed& parsed, const GrowthAnswer& answer) {
  if (answer.exit_code != 0) return answer.exit_code;
  if (parsed.cluster.is_json()) {
    fmt::print("{}", answer.text);
  } else {
    print_jobs(json::array{answer.body});
  }
  return kExitOk;
}

int job_ls(const Parsed& parsed) {
  const GrowthAnswer answer = ask_cluster(parsed.cluster, "GET", "/v1/jobs");
  if (answer.exit_code != 0) return answer.exit_code;
  if (parsed.cluster.is_json()) {
    fmt::print("{}", answer.text);
    return kExitOk;
  }
  if (const json::array* jobs = list_of(answer.body, "jobs")) print_jobs(*jobs);
  return kExitOk;
}

// Until the job has ended; one that failed or was cancelled is exit code 1.
int watch(const Parsed& parsed, std::uint64_t id) {
  std::string last;
  for (;;) {
    const GrowthAnswer answer = ask_cluster(parsed.cluster, "GET", "/v1/jobs");
    if (answer.exit_code != 0 && answer.exit_code != kExitUnreachable) return answer.exit_code;
    const json::array* jobs = list_of(answer.body, "jobs");
    const json::object* found = nullptr;
    if (jobs != nullptr) {
      for (const json::value& job : *jobs) {
        if (job.is_object() && number_of(job.as_object(), "id") == static_cast<double>(id))
          found = &job.as_object();
      }
      if (found == nullptr) return fail(kExitNotFound, fmt::format("there is no job {}", id));
    }
    if (found != nullptr) {
      const std::string line =
          parsed.cluster.is_json() ? json::serialize(*found) + "\n" : job_line(*found);
      if (line != last) fmt::print("{}", line);
      std::fflush(stdout);
      last = line;
      const std::string state = text_of(*found, "state");
      if (state == "done") return kExitOk;
      if (state == "failed" || state == "cancelled") return kExitFailed;
    }
    std::this_thread::sleep_for(kWatchInterval);
  }
}

int change_job(const Parsed& parsed, const std::string& verb) {
  return show_job(
      parsed, ask_cluster(parsed.cluster, "POST", fmt::format("/v1/jobs/{}/{}", parsed.job, verb)));
}

int start_job(const Parsed& parsed, const json::object& wanted) {
  const GrowthAnswer answer = ask_cluster(parsed.cluster, "POST", "/v1/jobs", wanted);
  if (answer.exit_code != 0 || !parsed.is_watched) return show_job(parsed, answer);
  return watch(parsed, static_cast<std::uint64_t>(number_of(answer.body, "id")));
}

int set_rate(const Parsed& parsed) {
  return set_cluster_rate(parsed.cluster, "/v1/jobs/rate", parsed.rate);
}

void add_jobs(CLI::App& root, const Shared& parsed) {
  CLI::App* job = root.add_subcommand("job", "Background work: migration, rebalancing");
  job->require_subcommand(1);
  add_asking_command(*job, parsed, "ls", "List the jobs", job_ls);
  const auto with_id = [&](CLI::App* app) {
    app->add_option("ID", parsed->job, "As `job ls` shows it")->required();
  };
  with_id(add_asking_command(*job, parsed, "watch", "Follow a job until it ends",
                             [](const Parsed& p) { return watch(p, p.job); }));
  for (const std::string verb : {"pause", "resume", "cancel"}) {
    with_id(add_asking_command(*job, parsed, verb, "Have a job " + verb + "d",
                               [verb](const Parsed& p) { return change_job(p, verb); }));
  }
  with_id(add_asking_command(*job, parsed, "retry", "Have a job that failed go on at once",
                             [](const Parsed& p) { return change_job(p, "retry"); }));
  add_asking_command(*job, parsed, "rate", "How many bytes a second all jobs may move together",
                     set_rate)
      ->add_option("BYTES", parsed->rate, "0: without a limit")
      ->required();
  job->footer(
      "Jobs survive the node that works on them: the next leader goes on where it was.\n\n"
      "EXAMPLES\n"
      "    predastore job ls\n"
      "    predastore job watch 3\n"
      "    predastore job pause 3 && predastore job resume 3\n"
      "    predastore job rate 67108864");
}

// ---- schemes

int migrate(const Parsed& parsed) {
  if (parsed.is_all == !parsed.name.empty())
    return fail(kExitUsage, "either a bucket or --all is to be named");
  json::object wanted;
  wanted["kind"] = "rs-migrate";
  wanted["bucket"] = parsed.name;
  return start_job(parsed, wanted);
}

void add_rs(CLI::App& root, const Shared& parsed) {
  CLI::App* rs = root.add_subcommand("rs", "Reed-Solomon schemes");
  rs->require_subcommand(1);
  CLI::App* app = add_asking_command(*rs, parsed, "migrate",
                                     "Bring old objects to the scheme of their bucket", migrate);
  app->add_option("BUCKET", parsed->name, "Whose objects");
  app->add_flag("--all", parsed->is_all, "Those of all buckets");
  app->add_flag("--watch", parsed->is_watched, "Follow the job until it ends");
  rs->footer(
      "A job in the background: every object is read, proved by its checksums, written anew and\n"
      "exchanged; it can be read and overwritten at any time meanwhile.\n\n"
      "EXAMPLES\n"
      "    predastore bucket set photos --rs 3+2\n"
      "    predastore rs migrate photos --watch");
}

}  // namespace

void add_growth_commands(CLI::App& root, std::function<int()>* command) {
  auto parsed = std::make_shared<Parsed>();
  parsed->command = command;
  parsed->cluster.directory = "predastore-demo";
  add_jobs(root, parsed);
  add_rs(root, parsed);
}

}  // namespace predastore::cli
