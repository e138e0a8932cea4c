#include "cli/demo_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace predastore::cli {

namespace {

using std::chrono::milliseconds;
constexpr milliseconds kLookAgainAfter{20};

Error system_error(const std::string& what) {
  return make_error(ErrorCode::Io, fmt::format("{}: {}", what, std::strerror(errno)));
}

std::string read_whole(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// A process that has ended and was not waited for yet has an empty command line.
bool is_server_of(pid_t pid, const std::string& config_file) {
  const std::string line = read_whole(fmt::format("/proc/{}/cmdline", pid));
  std::vector<std::string> words(1);
  for (const char c : line) {
    if (c == '\0') {
      words.emplace_back();
    } else {
      words.back().push_back(c);
    }
  }
  return words.size() >= 4 && words[1] == "server" && words[3] == config_file;
}

// Between fork and exec: only what is safe there.
[[noreturn]] void become_server(int log_fd, pid_t parent, bool dies_with_parent,
                                const char* program, char* const* arguments) {
  ::setsid();
  if (dies_with_parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(127);
  }
  const int null_fd = ::open("/dev/null", O_RDONLY);
  ::dup2(null_fd, STDIN_FILENO);
  ::dup2(log_fd, STDOUT_FILENO);
  ::dup2(log_fd, STDERR_FILENO);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(program, arguments);
  ::execv("/proc/self/exe", arguments);  // the file was replaced or removed since we started
  ::_exit(127);
}

Result<void> write_pid(const std::string& path, pid_t pid) {
  const std::string fresh = path + ".new";
  std::ofstream stream(fresh, std::ios::trunc);
  stream << pid << "\n";
  stream.close();
  if (!stream || std::rename(fresh.c_str(), path.c_str()) != 0)
    return system_error("cannot write " + path);
  return {};
}

}  // namespace

std::optional<pid_t> running_server(const DemoLayout& layout, std::uint32_t number) {
  std::ifstream stream(layout.pid_file(number));
  pid_t pid = 0;
  if (!(stream >> pid) || pid <= 1) return std::nullopt;
  if (!is_server_of(pid, layout.config_file(number))) return std::nullopt;
  return pid;
}

bool is_paused(pid_t pid) {
  const std::string text = read_whole(fmt::format("/proc/{}/stat", pid));
  const std::size_t name_end = text.rfind(')');
  return name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] == 'T';
}

Result<pid_t> start_server(const DemoLayout& layout, std::uint32_t number, StartOptions options) {
  if (const auto pid = running_server(layout, number))
    return make_error(ErrorCode::AlreadyExists,
                      fmt::format("node {} is running already (pid {})", number, *pid));
  const int log_fd =
      ::open(layout.log_file(number).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_fd < 0) return system_error("cannot open " + layout.log_file(number));
  std::error_code no_link;
  const std::string binary = std::filesystem::read_symlink("/proc/self/exe", no_link).string();
  std::string program = "predastore";
  std::string command = "server";
  std::string option = "--config";
  std::string config_file = layout.config_file(number);
  char* arguments[] = {program.data(), command.data(), option.data(), config_file.data(), nullptr};
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become_server(log_fd, parent, options.dies_with_us, binary.c_str(), arguments);
  ::close(log_fd);
  if (pid < 0) return system_error("cannot start a process");
  PREDA_CHECK(write_pid(layout.pid_file(number), pid));
  // Until exec the new process has our command line; whoever asks next is to find the server.
  for (int i = 0; i < 500 && !is_server_of(pid, config_file); ++i) {
    if (::waitpid(pid, nullptr, WNOHANG) == pid) break;
    std::this_thread::sleep_for(kLookAgainAfter / 10);
  }
  return pid;
}

Result<void> signal_server(const DemoLayout& layout, std::uint32_t number, int signal) {
  const auto pid = running_server(layout, number);
  if (!pid) return make_error(ErrorCode::NotFound, fmt::format("node {} is not running", number));
  if (::kill(*pid, signal) != 0)
    return system_error(fmt::format("cannot send a signal to node {}", number));
  return {};
}

bool wait_for_end(pid_t pid, const std::string& config_file, milliseconds patience) {
  for (milliseconds waited{0}; waited < patience; waited += kLookAgainAfter) {
    ::waitpid(pid, nullptr, WNOHANG);  // when it is a child of ours
    if (!is_server_of(pid, config_file)) return true;
    std::this_thread::sleep_for(kLookAgainAfter);
  }
  return !is_server_of(pid, config_file);
}

std::uint32_t stop_servers(const DemoLayout& layout, milliseconds patience) {
  std::vector<std::pair<std::uint32_t, pid_t>> ending;
  for (std::uint32_t number = 1; number <= layout.nodes.size(); ++number) {
    const auto pid = running_server(layout, number);
    if (!pid) continue;
    ending.emplace_back(number, *pid);
    ::kill(*pid, SIGTERM);
    ::kill(*pid, SIGCONT);  // a paused one can only end when it goes on
  }
  for (const auto& [number, pid] : ending) {
    if (!wait_for_end(pid, layout.config_file(number), patience)) {
      ::kill(pid, SIGKILL);
      wait_for_end(pid, layout.config_file(number), milliseconds{5000});
    }
    ::unlink(layout.pid_file(number).c_str());
  }
  return static_cast<std::uint32_t>(ending.size());
}

std::string log_tail(const DemoLayout& layout, std::uint32_t number, std::size_t line_count) {
  std::ifstream stream(layout.log_file(number));
  std::deque<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(std::move(line));
    if (lines.size() > line_count) lines.pop_front();
  }
  std::string text;
  for (const std::string& line : lines) text += "  " + line + "\n";
  return text;
}

}  // namespace predastore::cli
