// What the machine itself gives at this moment, for the ratios of scripts/bench: its disk, MD5, TCP
// on loopback, and the floor of a PUT (MD5, Reed-Solomon, three durable files) without any network.
// Prints one JSON object. Not part of the product, and the only place where threads and system
// calls are used without the seams.
//
//   bench_baseline DIRECTORY [SECONDS]      DIRECTORY: on the disk that is measured; SECONDS for
//   each figure (default 2)

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "digest/hash.h"
#include "erasure/codec.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMiB = 1 << 20;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// One file for O_DIRECT, gone with the object.
class ScratchFile {
 public:
  explicit ScratchFile(const std::string& path) : path_(path) {
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
    if (fd_ < 0) fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd_ < 0) fail("cannot make " + path);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() {
    close(fd_);
    unlink(path_.c_str());
  }
  void write(const std::byte* bytes, std::size_t size, std::uint64_t offset) {
    while (size > 0) {
      const ssize_t count = pwrite(fd_, bytes, size, static_cast<off_t>(offset));
      if (count <= 0) fail("write");
      bytes += count;
      offset += static_cast<std::uint64_t>(count);
      size -= static_cast<std::size_t>(count);
    }
  }
  void sync() {
    if (fdatasync(fd_) != 0) fail("fdatasync");
  }

 private:
  std::string path_;
  int fd_ = -1;
};

struct Aligned {
  explicit Aligned(std::size_t size_bytes)
      : bytes(static_cast<std::byte*>(std::aligned_alloc(4096, size_bytes)), &std::free),
        size(size_bytes) {
    std::uint64_t state = 1;
    for (std::size_t at = 0; at < size_bytes; at += sizeof(state)) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      std::memcpy(bytes.get() + at, &state, sizeof(state));
    }
  }
  std::unique_ptr<std::byte, decltype(&std::free)> bytes;
  std::size_t size;
};

double durable_write_mib_per_s(const std::string& directory, double seconds) {
  ScratchFile file(directory + "/sequential");
  const Aligned buffer(8 * kMiB);
  const auto begin = Clock::now();
  std::uint64_t at = 0;
  while (seconds_since(begin) < seconds) {
    for (int i = 0; i < 4; ++i, at += buffer.size)
      file.write(buffer.bytes.get(), buffer.size, at % (1024 * kMiB));
    file.sync();
  }
  return static_cast<double>(at) / kMiB / seconds_since(begin);
}

// Appends of 4 KiB a second, `group` of them under one sync.
double synced_appends_per_s(const std::string& directory, std::size_t group, double seconds) {
  ScratchFile file(directory + "/appends");
  const Aligned buffer(group * 4096);
  const auto begin = Clock::now();
  std::uint64_t at = 0;
  while (seconds_since(begin) < seconds) {
    file.write(buffer.bytes.get(), buffer.size, at);
    file.sync();
    at += buffer.size;
  }
  return static_cast<double>(at) / 4096 / seconds_since(begin);
}

double md5_mib_per_s(double seconds) {
  const Aligned buffer(8 * kMiB);
  predastore::digest::Md5 md5;
  const auto begin = Clock::now();
  std::uint64_t done = 0;
  while (seconds_since(begin) < seconds) {
    md5.update(predastore::ByteSpan{buffer.bytes.get(), buffer.size});
    done += buffer.size;
  }
  return static_cast<double>(done) / kMiB / seconds_since(begin);
}

double tcp_loopback_mib_per_s(double seconds) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      listen(listener, 1) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0)
    fail("cannot listen on loopback");
  std::atomic<std::uint64_t> received = 0;
  std::thread reader([&] {
    const int fd = accept(listener, nullptr, nullptr);
    std::vector<std::byte> buffer(kMiB);
    ssize_t count = 0;
    while ((count = recv(fd, buffer.data(), buffer.size(), 0)) > 0)
      received += static_cast<std::uint64_t>(count);
    close(fd);
  });
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), length) != 0) fail("connect");
  const Aligned buffer(kMiB);
  const auto begin = Clock::now();
  while (seconds_since(begin) < seconds)
    if (send(fd, buffer.bytes.get(), buffer.size, 0) < 0) fail("send");
  const double took = seconds_since(begin);
  close(fd);
  reader.join();
  close(listener);
  return static_cast<double>(received) / kMiB / took;
}

// What no PUT of RS(2,1) can do without: MD5 of the object, the parity, and three durable files of
// half its size. Each thread does objects of 64 MiB one after the other, in pieces of a stripe.
double put_floor_mib_per_s(const std::string& directory, int threads, double seconds) {
  constexpr std::size_t kSegment = 64 * 1024;
  constexpr std::size_t kObject = 64 * kMiB;
  std::atomic<std::uint64_t> objects = 0;
  const auto begin = Clock::now();
  const auto work = [&](int number) {
    const predastore::erasure::Codec codec(predastore::RsConfig{2, 1});
    const Aligned object(kObject);
    const Aligned parity(kObject / 2);
    std::vector<std::unique_ptr<ScratchFile>> files;
    for (int role = 0; role < 3; ++role)
      files.push_back(
          std::make_unique<ScratchFile>(fmt::format("{}/put-{}-{}", directory, number, role)));
    while (seconds_since(begin) < seconds) {
      const predastore::ByteSpan bytes{object.bytes.get(), object.size};
      predastore::digest::md5(bytes);
      for (std::size_t at = 0; at < kObject; at += 2 * kSegment) {
        const predastore::ByteSpan data[] = {bytes.subspan(at, kSegment),
                                             bytes.subspan(at + kSegment, kSegment)};
        const predastore::MutableByteSpan out[] = {{parity.bytes.get() + at / 2, kSegment}};
        codec.encode(data, out);
      }
      files[0]->write(object.bytes.get(), kObject / 2, 0);
      files[1]->write(object.bytes.get() + kObject / 2, kObject / 2, 0);
      files[2]->write(parity.bytes.get(), kObject / 2, 0);
      for (const auto& file : files) file->sync();
      ++objects;
    }
  };
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) running.emplace_back(work, i);
  for (std::thread& thread : running) thread.join();
  return static_cast<double>(objects) * 64 / seconds_since(begin);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    fmt::print(stderr, "usage: {} DIRECTORY [SECONDS]\n", argv[0]);
    return 2;
  }
  const std::string directory = argv[1];
  const double seconds = argc == 3 ? std::atof(argv[2]) : 2;
  try {
    std::filesystem::create_directories(directory);
    fmt::print(
        "{{\"durable_write_mib_per_s\": {:.1f}, \"synced_appends_per_s\": {:.1f}, "
        "\"grouped_appends_per_s\": {:.1f}, \"md5_mib_per_s\": {:.1f}, "
        "\"tcp_loopback_mib_per_s\": {:.1f}, \"put_floor_mib_per_s\": {:.1f}}}\n",
        durable_write_mib_per_s(directory, seconds), synced_appends_per_s(directory, 1, seconds),
        synced_appends_per_s(directory, 64, seconds), md5_mib_per_s(seconds),
        tcp_loopback_mib_per_s(seconds), put_floor_mib_per_s(directory, 2, seconds));
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_baseline: {}\n", error.what());
    return 1;
  }
  return 0;
}
