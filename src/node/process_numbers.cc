#include "node/process_numbers.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace predastore::node {

namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ProcessNumbers process_numbers() {
  ProcessNumbers numbers;
  std::ifstream stream("/proc/self/statm");
  std::uint64_t whole_pages = 0;
  std::uint64_t resident_pages = 0;
  if (stream >> whole_pages >> resident_pages)
    numbers.resident_memory_bytes =
        resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0)
    numbers.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  std::error_code error;
  std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (!error)
    numbers.open_files = static_cast<std::uint64_t>(std::distance(begin(files), end(files)));
  return numbers;
}

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace predastore::node
