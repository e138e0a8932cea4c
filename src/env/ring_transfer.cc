#include "env/ring_transfer.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace predastore {
namespace {

constexpr std::size_t kVectorMax = 512;           // buffers of one write
constexpr std::size_t kTransferMax = 1ULL << 30;  // of one operation
// The kernel copies to and from the page cache on the thread that asks, if it can without waiting:
// good for little, bad for a loop that others wait for.
constexpr std::size_t kCopyOnLoopMax = 64 * 1024;

struct ReadMemory {
  std::shared_ptr<const OpenPath> file;
  MutableBuffer buffer;
};
struct WriteMemory {
  std::shared_ptr<const OpenPath> file;
  BufferChain chain;
};

std::vector<iovec> vectors_of(const BufferChain& chain) {
  std::vector<iovec> vectors;
  vectors.reserve(chain.buffers().size());
  for (const Buffer& buffer : chain.buffers())
    vectors.push_back(
        {const_cast<std::byte*>(buffer.data()), buffer.size()});  // NOLINT: the interface of writev
  return vectors;
}

// Takes off what was written.
void advance(std::vector<iovec>& vectors, std::size_t& first, std::size_t size_bytes) {
  while (first < vectors.size() && size_bytes >= vectors[first].iov_len)
    size_bytes -= vectors[first++].iov_len;
  if (size_bytes == 0) return;
  vectors[first].iov_base = static_cast<std::byte*>(vectors[first].iov_base) + size_bytes;
  vectors[first].iov_len -= size_bytes;
}

}  // namespace

Task<Result<Buffer>> read_by_ring(IoRing& ring, std::shared_ptr<const OpenPath> file,
                                  std::uint64_t offset_bytes, std::size_t size_bytes) {
  struct stat status{};
  if (::fstat(file->read.get(), &status) != 0) co_return error_of(errno, "stat " + file->path);
  const auto end = static_cast<std::uint64_t>(status.st_size);
  if (offset_bytes >= end) co_return Buffer{};
  size_bytes = static_cast<std::size_t>(
      std::min<std::uint64_t>(size_bytes, end - offset_bytes));  // before memory is taken
  auto memory = std::make_shared<ReadMemory>();
  memory->file = file;
  memory->buffer = file->pool->take(size_bytes);
  std::size_t done = 0;
  while (done < size_bytes) {
    IoRing::Request request;
    request.operation = IoOperation::read;
    request.fd = file->read.get();
    request.offset_bytes = offset_bytes + done;
    request.vectors.push_back(
        {memory->buffer.data() + done, std::min(size_bytes - done, kTransferMax)});
    request.is_beside = size_bytes - done > kCopyOnLoopMax;
    request.keep = memory;
    const int count = co_await ring.perform(std::move(request));
    if (count < 0) co_return error_of(-count, "read " + file->path);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  co_return std::move(memory->buffer).freeze(done);
}

Task<Result<void>> write_by_ring(IoRing& ring, std::shared_ptr<const OpenPath> file,
                                 std::uint64_t offset_bytes, BufferChain chain) {
  auto memory = std::make_shared<WriteMemory>(WriteMemory{file, std::move(chain)});
  std::vector<iovec> vectors = vectors_of(memory->chain);
  std::size_t first = 0;
  const bool is_past_cache = file->write.get() >= 0;
  while (first < vectors.size()) {
    const std::size_t last = first + std::min(vectors.size() - first, kVectorMax);
    IoRing::Request request;
    request.operation = IoOperation::write;
    request.fd = file->writer();
    request.offset_bytes = offset_bytes;
    request.vectors.assign(vectors.begin() + static_cast<std::ptrdiff_t>(first),
                           vectors.begin() + static_cast<std::ptrdiff_t>(last));
    request.is_beside = !is_past_cache && memory->chain.size() > kCopyOnLoopMax;
    request.keep = memory;
    const int count = co_await ring.perform(std::move(request));
    if (count < 0) co_return error_of(-count, "write " + file->path);
    if (count == 0)
      co_return make_error(ErrorCode::Io, "write " + file->path + ": nothing was written");
    offset_bytes += static_cast<std::uint64_t>(count);
    advance(vectors, first, static_cast<std::size_t>(count));
  }
  co_return Result<void>{};
}

Task<Result<void>> sync_by_ring(IoRing& ring, std::shared_ptr<const OpenPath> file) {
  IoRing::Request request;
  request.operation = IoOperation::sync;
  request.fd = file->writer();
  request.is_beside = true;
  request.keep = file;
  const int result = co_await ring.perform(std::move(request));
  if (result < 0) co_return error_of(-result, "sync " + file->path);
  co_return Result<void>{};
}

}  // namespace predastore
