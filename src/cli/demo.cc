#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <thread>

#include "cli/admin_client.h"
#include "cli/commands.h"
#include "cli/demo_layout.h"
#include "cli/demo_process.h"
#include "cli/exit_codes.h"
#include "cli/s3_client.h"
#include "env/host.h"

namespace predastore::cli {

namespace {

using std::chrono::milliseconds;
constexpr milliseconds kStopPatience{20'000};
constexpr Duration kReadyPatience = 120s;
constexpr milliseconds kLookAgainAfter{100};

// How people start this program here: by its name where the shell finds it so, else by its path.
std::string program_name() {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "" : path);
  for (std::string directory; std::getline(directories, directory, ':');) {
    if (fs::equivalent(fs::path(directory) / "predastore", self, error)) return "predastore";
  }
  const std::string relative = fs::relative(self, error).string();
  const bool is_near = !error && !relative.empty() && !relative.starts_with("..");
  return is_near && relative.find('/') != std::string::npos ? relative : self.string();
}

std::string command_of(const DemoLayout& layout, const std::string& command) {
  return fmt::format("{} demo {} --dir {}", program_name(), command, layout.directory);
}

Result<DemoLayout> open_or_make(const DemoOptions& options) {
  if (!demo_exists(options.directory)) {
    DemoPlan plan;
    plan.directory = options.directory;
    plan.node_count = options.node_count;
    PREDA_TRY(plan.rs, parse_rs(options.rs));
    plan.s3_port = options.s3_port;
    plan.drive_count = options.drive_count;
    plan.drive_capacity = options.drive_capacity;
    if (!options.settings_file.empty()) {
      PREDA_TRY(plan.settings, node::load_text(options.settings_file));
    }
    plan.has_tls = options.has_tls;
    PREDA_CHECK(make_demo(plan));
  }
  return load_demo(options.directory);
}

// A cluster that exists keeps its shape; asking for another one is a mistake, not a wish to be
// ignored.
Result<void> matches(const DemoOptions& options, const DemoLayout& layout) {
  const node::Config& first = layout.nodes.front();
  const std::string rs = fmt::format("{}+{}", first.rs.data_shards, first.rs.parity_shards);
  const auto differs = [&](const std::string& what, const std::string& is) {
    return make_error(ErrorCode::InvalidArgument,
                      fmt::format("the cluster in {} was made with {} {}; leave the option out, or "
                                  "choose another --dir",
                                  layout.directory, what, is));
  };
  if (options.has_node_count && options.node_count != layout.nodes.size())
    return differs("--nodes", std::to_string(layout.nodes.size()));
  if (options.has_rs && options.rs != rs) return differs("--rs", rs);
  if (options.has_drive_count && options.drive_count != first.drive_count)
    return differs("--drives", std::to_string(first.drive_count));
  if (options.has_tls && !layout.has_tls())
    return make_error(ErrorCode::InvalidArgument,
                      fmt::format("the cluster in {} was made without --tls; choose another --dir",
                                  layout.directory));
  const auto at = parse_host_port(first.s3_address);
  if (options.has_s3_port && at && at->port != options.s3_port)
    return differs("--s3-port", std::to_string(at->port));
  return {};
}

// Every server runs, every one answers S3 to the key of the cluster, and the metadata has a leader.
bool is_ready(ProductionHost& host, const DemoLayout& layout, const node::RootKey& key) {
  for (std::uint32_t number = 1; number <= layout.nodes.size(); ++number) {
    if (layout.is_departed(number)) continue;
    const auto endpoint = layout.s3_endpoint(number);
    if (!endpoint) return false;
    const auto answer = s3_request(host, *endpoint, key, "GET", "/", std::string{});
    if (!answer || answer->status != 200) return false;
  }
  const auto answer = ask_status(host, layout.nodes.front());
  return answer.has_value() && answer->state != "unavailable";
}

Result<void> wait_until_ready(const DemoLayout& layout) {
  PREDA_TRY(const node::RootKey key, node::load_root_key(layout.nodes.front().root_key_file));
  ProductionHost host{1};
  const Instant deadline = host.environment().clock.now() + kReadyPatience;
  for (;;) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    for (std::uint32_t number = 1; number <= layout.nodes.size(); ++number) {
      if (!layout.is_departed(number) && !running_server(layout, number))
        return make_error(ErrorCode::Unavailable,
                          fmt::format("node {} ended; the end of {}:\n{}", number,
                                      layout.log_file(number), log_tail(layout, number, 5)));
    }
    if (is_ready(host, layout, key)) return {};
    if (host.environment().clock.now() >= deadline)
      return make_error(
          ErrorCode::TimedOut,
          fmt::format("the cluster did not get ready; see the logs in {}/n*/server.log",
                      layout.directory));
    std::this_thread::sleep_for(kLookAgainAfter);
  }
}

Result<std::uint32_t> start_all(const DemoLayout& layout, StartOptions options) {
  std::uint32_t started = 0;
  for (std::uint32_t number = 1; number <= layout.nodes.size(); ++number) {
    if (layout.is_departed(number) || running_server(layout, number)) continue;
    PREDA_CHECK(start_server(layout, number, options));
    ++started;
  }
  return started;
}

void print_banner(const DemoLayout& layout) {
  std::string endpoints;
  for (const node::Config& config : layout.nodes)
    endpoints += fmt::format(" {}://{}", layout.has_tls() ? "https" : "http", config.s3_address);
  const node::Config& first = layout.nodes.front();
  fmt::print(
      "predastore {}: a cluster of {} nodes, RS({},{}), in {}\n"
      "  S3       {}\n"
      "  keys     {} (only you can read it)\n"
      "  logs     {}/n*/server.log\n\n"
      "next:\n"
      "  eval \"$({})\"\n"
      "  aws s3 mb s3://first && echo hello | aws s3 cp - s3://first/hello && aws s3 cp "
      "s3://first/hello -\n"
      "  {} status --dir {}\n"
      "  {}      and then read again: nothing is lost\n"
      "  {}\n",
      PREDASTORE_VERSION, layout.nodes.size(), first.rs.data_shards, first.rs.parity_shards,
      layout.directory, endpoints.substr(1), first.root_key_file, layout.directory,
      command_of(layout, "env"), program_name(), layout.directory, command_of(layout, "kill 2"),
      command_of(layout, "stop"));
  std::fflush(stdout);
}

// Until Ctrl-C. Servers that end meanwhile (demo kill) are named once, and may be started again.
void watch(const DemoLayout& layout, const sigset_t& signals) {
  std::vector<bool> was_running(layout.nodes.size() + 1, true);
  for (;;) {
    timespec wait{0, 200'000'000};
    const int signal = ::sigtimedwait(&signals, nullptr, &wait);
    if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP) return;
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    bool any = false;
    for (std::uint32_t number = 1; number <= layout.nodes.size(); ++number) {
      const bool is_running = running_server(layout, number).has_value();
      if (!is_running && was_running[number])
        fmt::print(stderr, "node {} has ended; `{}` starts it again\n", number,
                   command_of(layout, fmt::format("start {}", number)));
      was_running[number] = is_running;
      any = any || is_running;
    }
    if (!any) return;  // demo stop, from elsewhere
  }
}

int run_in_foreground(const DemoLayout& layout) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  StartOptions options;
  options.dies_with_us = true;
  const auto started = start_all(layout, options);
  Result<void> ready;
  if (started) ready = wait_until_ready(layout);
  if (!started || !ready) {
    stop_servers(layout, kStopPatience);
    return fail(kExitFailed, started ? ready.error().detail : started.error().detail);
  }
  print_banner(layout);
  fmt::print("\nCtrl-C stops the cluster; its data stays.\n");
  std::fflush(stdout);
  watch(layout, signals);
  fmt::print(stderr, "stopping\n");
  stop_servers(layout, kStopPatience);
  return kExitOk;
}

int run_detached(const DemoLayout& layout) {
  const auto started = start_all(layout, StartOptions{});
  if (!started) return fail(kExitFailed, started.error().detail);
  const auto ready = wait_until_ready(layout);
  if (!ready) {
    if (*started == layout.nodes.size()) stop_servers(layout, kStopPatience);  // all of them ours
    return fail(kExitFailed, ready.error().detail);
  }
  print_banner(layout);
  return kExitOk;
}

// Runs `action` with the layout when there is one and it has that node.
template <class Action>
int with_node(const std::string& directory, std::uint32_t number, Action action) {
  const auto layout = load_demo(directory);
  if (!layout) return fail(kExitNotFound, layout.error().detail);
  if (number < 1 || number > layout->nodes.size())
    return fail(kExitNotFound, fmt::format("there is no node {}; the cluster has nodes 1 to {}",
                                           number, layout->nodes.size()));
  const Result<void> done = action(*layout);
  if (!done)
    return fail(done.error().code == ErrorCode::NotFound ? kExitNotFound : kExitFailed,
                done.error().detail);
  return kExitOk;
}

}  // namespace

int demo_run(const DemoOptions& options) {
  const auto rs = parse_rs(options.rs);
  if (!rs) return fail(kExitUsage, rs.error().detail);
  const auto layout = open_or_make(options);
  if (!layout)
    return fail(layout.error().code == ErrorCode::InvalidArgument ? kExitUsage : kExitFailed,
                layout.error().detail);
  const auto same = matches(options, *layout);
  if (!same) return fail(kExitUsage, same.error().detail);
  return options.is_detached ? run_detached(*layout) : run_in_foreground(*layout);
}

int demo_env(const std::string& directory) {
  const auto layout = load_demo(directory);
  if (!layout) return fail(kExitNotFound, layout.error().detail);
  const node::Config& first = layout->nodes.front();
  const auto key = node::load_root_key(first.root_key_file);
  if (!key) return fail(kExitConfig, key.error().detail);
  fmt::print(
      "export AWS_ENDPOINT_URL={}://{} AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} "
      "AWS_DEFAULT_REGION={}",
      layout->has_tls() ? "https" : "http", first.s3_address, key->access_key_id,
      key->secret_access_key, first.region);
  if (layout->has_tls())
    fmt::print(" AWS_CA_BUNDLE={0} SSL_CERT_FILE={0} NODE_EXTRA_CA_CERTS={0}",
               layout->s3_ca_file());
  fmt::print("\n");
  return kExitOk;
}

int demo_kill(const std::string& directory, std::uint32_t number) {
  return with_node(directory, number, [number](const DemoLayout& layout) -> Result<void> {
    const auto pid = running_server(layout, number);
    PREDA_CHECK(signal_server(layout, number, SIGKILL));
    if (pid && !wait_for_end(*pid, layout.config_file(number), milliseconds{10'000}))
      return make_error(ErrorCode::TimedOut, "the process is still there");
    ::unlink(layout.pid_file(number).c_str());
    fmt::print("node {} is killed\nnext: {}\n", number,
               command_of(layout, fmt::format("start {}", number)));
    return {};
  });
}

int demo_start(const std::string& directory, std::uint32_t number) {
  return with_node(directory, number, [number](const DemoLayout& layout) -> Result<void> {
    PREDA_TRY(const pid_t pid, start_server(layout, number, StartOptions{}));
    ProductionHost host{1};
    const Instant deadline = host.environment().clock.now() + kReadyPatience;
    PREDA_TRY(const S3Endpoint endpoint, layout.s3_endpoint(number));
    while (!answers_http(host, endpoint)) {
      ::waitpid(pid, nullptr, WNOHANG);
      if (!running_server(layout, number))
        return make_error(ErrorCode::Unavailable,
                          fmt::format("node {} ended; the end of {}:\n{}", number,
                                      layout.log_file(number), log_tail(layout, number, 5)));
      if (host.environment().clock.now() >= deadline)
        return make_error(ErrorCode::TimedOut, fmt::format("node {} does not answer", number));
      std::this_thread::sleep_for(kLookAgainAfter);
    }
    fmt::print("node {} runs (pid {})\nnext: {} status --dir {}\n", number, pid, program_name(),
               layout.directory);
    return {};
  });
}

int demo_pause(const std::string& directory, std::uint32_t number) {
  return with_node(directory, number, [number](const DemoLayout& layout) -> Result<void> {
    PREDA_CHECK(signal_server(layout, number, SIGSTOP));
    fmt::print("node {} is paused\nnext: {}\n", number,
               command_of(layout, fmt::format("resume {}", number)));
    return {};
  });
}

int demo_resume(const std::string& directory, std::uint32_t number) {
  return with_node(directory, number, [number](const DemoLayout& layout) -> Result<void> {
    PREDA_CHECK(signal_server(layout, number, SIGCONT));
    fmt::print("node {} goes on\nnext: {} status --dir {}\n", number, program_name(),
               layout.directory);
    return {};
  });
}

int demo_stop(const std::string& directory) {
  const auto layout = load_demo(directory);
  if (!layout) return fail(kExitNotFound, layout.error().detail);
  const std::uint32_t count = stop_servers(*layout, kStopPatience);
  fmt::print("stopped {} nodes; `{} demo --dir {}` starts them with their data\n", count,
             program_name(), layout->directory);
  return kExitOk;
}

}  // namespace predastore::cli
