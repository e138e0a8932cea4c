#pragma once

#include <sys/uio.h>

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/buffer.h"
#include "env/task.h"

namespace predastore {

enum class IoOperation : std::uint8_t { read, write, sync };

struct IoRingOptions {
  std::uint32_t entries = 256;  // operations the kernel has at a time; what is more waits here
  // Tests only: what the kernel's answer (bytes, or an errno below zero) is made to be.
  std::function<int(IoOperation operation, int result)> tamper;
};

// The io_uring of one loop: reads, writes and syncs that no thread waits for. What one turn of the
// loop asks for goes to the kernel in one call; an eventfd in the loop tells of the answers.
//
// Everything but open() is called on the thread of `io`, which outlives the ring. Descriptors and
// memory are kept by `keep` until the kernel is done with them, whatever becomes of the caller.
// Destruction cancels what can be cancelled and waits for the rest; who waits gets -ECANCELED or
// the answer. A call costs no more than its queueing; nothing is bounded but what the kernel has.
class IoRing {
 public:
  // Unsupported, with the reason: the kernel has no io_uring, does not let us, or lacks an
  // operation we need.
  static Result<std::unique_ptr<IoRing>> open(boost::asio::io_context& io,
                                              IoRingOptions options = {});
  ~IoRing();
  IoRing(const IoRing&) = delete;
  IoRing& operator=(const IoRing&) = delete;

  struct Request {
    IoOperation operation = IoOperation::read;
    int fd = -1;
    std::uint64_t offset_bytes = 0;
    std::vector<iovec> vectors;        // none for a sync; at most IOV_MAX
    bool is_beside = false;            // never on the thread of the loop: what copies much
    std::shared_ptr<const void> keep;  // descriptor and memory
  };
  // Bytes moved (fewer than asked for is possible), or an errno below zero. EINTR and EAGAIN are
  // tried again here.
  Task<int> perform(Request request);

  bool is_tampered() const;       // by a test, which wants every operation to come here
  std::size_t in_flight() const;  // at the kernel
  std::size_t waiting() const;    // for their turn

 private:
  class State;
  explicit IoRing(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace predastore
