#pragma once

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "env/buffer_pool.h"

// What the two ways of moving the bytes of a posix file (threads, io_uring) share.
namespace predastore {

// Of an errno; NotFound, AlreadyExists, NoSpace or Io.
Error error_of(int number, const std::string& what);

// Owns a descriptor. Closing never retries: on Linux the descriptor is gone whatever close() says.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

// An open file. Held by the work that is under way as well, so that a descriptor is never closed
// and given out again below it.
struct OpenPath {
  std::string path;
  Descriptor read;
  Descriptor write;  // past the page cache; none where it is written through it, or not at all
  std::shared_ptr<BufferPool> pool;  // of what is read
  int writer() const { return write.get() >= 0 ? write.get() : read.get(); }
};

}  // namespace predastore
