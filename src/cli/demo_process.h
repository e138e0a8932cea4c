#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/demo_layout.h"

namespace predastore::cli {

// The server processes of a local cluster. A process is known by its pid file and by its command
// line, which names the node's configuration: a pid that another program has got meanwhile is never
// taken for a server of ours.

// None when the server of that node is not running.
std::optional<pid_t> running_server(const DemoLayout& layout, std::uint32_t number);
bool is_paused(pid_t pid);

struct StartOptions {
  bool dies_with_us = false;  // a foreground demo: its servers get SIGTERM when it goes
};
// Starts the server in a session of its own, its output in server.log. AlreadyExists when it runs.
Result<pid_t> start_server(const DemoLayout& layout, std::uint32_t number, StartOptions options);
// NotFound when it does not run.
Result<void> signal_server(const DemoLayout& layout, std::uint32_t number, int signal);
// Ends all that run, in good order; by force those that take longer than `patience`. Returns how
// many ran.
std::uint32_t stop_servers(const DemoLayout& layout, std::chrono::milliseconds patience);
// Waits for the end of a server that was sent a signal; false when it is still there.
bool wait_for_end(pid_t pid, const std::string& config_file, std::chrono::milliseconds patience);
// The last lines of a node's log, for error messages.
std::string log_tail(const DemoLayout& layout, std::uint32_t number, std::size_t line_count);

}  // namespace predastore::cli
