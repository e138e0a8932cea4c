#pragma once

#include <cstdint>

namespace predastore::node {

// What the kernel says of this process; zero where it says nothing.
struct ProcessNumbers {
  std::uint64_t resident_memory_bytes = 0;
  double cpu_seconds = 0;
  std::uint64_t open_files = 0;
};
ProcessNumbers process_numbers();

// As many open files as this process may have.
void raise_file_limit();

}  // namespace predastore::node
