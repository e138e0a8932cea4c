#include "env/system_random.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace predastore {
namespace {

void fill_from_kernel(MutableByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::getrandom(bytes.data(), bytes.size(), 0);
    if (count < 0) {
      PREDA_ASSERT(errno == EINTR);
      continue;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

struct Reserve {
  std::array<std::byte, 4096> bytes;
  std::size_t used = 4096;
};

}  // namespace

void SystemRandom::fill(MutableByteSpan bytes) {
  thread_local Reserve reserve;
  if (bytes.size() > 256) return fill_from_kernel(bytes);
  if (reserve.bytes.size() - reserve.used < bytes.size()) {
    fill_from_kernel(reserve.bytes);
    reserve.used = 0;
  }
  std::memcpy(bytes.data(), reserve.bytes.data() + reserve.used, bytes.size());
  reserve.used += bytes.size();
}

}  // namespace predastore
