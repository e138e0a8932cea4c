#include "env/posix_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "env/open_path.h"
#include "env/ring_transfer.h"

namespace predastore {

Error error_of(int number, const std::string& what) {
  ErrorCode code = ErrorCode::Io;
  if (number == ENOENT) code = ErrorCode::NotFound;
  if (number == EEXIST) code = ErrorCode::AlreadyExists;
  if (number == ENOSPC || number == EDQUOT) code = ErrorCode::NoSpace;
  if (number == ECANCELED) code = ErrorCode::Cancelled;
  return make_error(code, what + ": " + std::generic_category().message(number));
}

namespace {

constexpr std::size_t kVectorMax = 512;  // buffers of one pwritev
constexpr std::size_t kCachedReadMax =
    1024 * 1024 + 64 * 1024;  // so long the loop may copy at once

Result<Descriptor> open_descriptor(const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return error_of(errno, "open " + path);
  return Descriptor{fd};
}

Result<Buffer> read_at(const OpenPath& file, std::uint64_t offset_bytes, std::size_t size_bytes) {
  const int fd = file.read.get();
  const std::string& path = file.path;
  struct stat status{};
  if (::fstat(fd, &status) != 0) return error_of(errno, "stat " + path);
  const auto end = static_cast<std::uint64_t>(status.st_size);
  if (offset_bytes >= end) return Buffer{};
  size_bytes = static_cast<std::size_t>(
      std::min<std::uint64_t>(size_bytes, end - offset_bytes));  // before memory is taken
  MutableBuffer buffer = file.pool->take(size_bytes);
  std::size_t done = 0;
  while (done < size_bytes) {
    const ssize_t count = ::pread(fd, buffer.data() + done, size_bytes - done,
                                  static_cast<off_t>(offset_bytes + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return error_of(errno, "read " + path);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return std::move(buffer).freeze(done);
}

// What the page cache has is copied here and now: for less than handing it to somebody else costs.
std::optional<Buffer> read_if_cached(const OpenPath& file, std::uint64_t offset_bytes,
                                     std::size_t size_bytes) {
  const int fd = file.read.get();
  struct stat status{};
  if (::fstat(fd, &status) != 0) return std::nullopt;
  const auto end = static_cast<std::uint64_t>(status.st_size);
  if (offset_bytes >= end) return Buffer{};
  size_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(size_bytes, end - offset_bytes));
  MutableBuffer buffer = file.pool->take(size_bytes);
  const iovec vector{buffer.data(), size_bytes};
  const ssize_t count = ::preadv2(fd, &vector, 1, static_cast<off_t>(offset_bytes), RWF_NOWAIT);
  if (count < 0 || static_cast<std::size_t>(count) != size_bytes) return std::nullopt;
  return std::move(buffer).freeze();
}

Result<void> write_at(int fd, const std::string& path, std::uint64_t offset_bytes,
                      const BufferChain& chain) {
  std::vector<iovec> vectors;
  vectors.reserve(chain.buffers().size());
  for (const Buffer& buffer : chain.buffers()) {
    vectors.push_back({const_cast<std::byte*>(buffer.data()),
                       buffer.size()});  // NOLINT: the interface of pwritev
  }
  std::size_t first = 0;
  while (first < vectors.size()) {
    const auto count = static_cast<int>(std::min(vectors.size() - first, kVectorMax));
    const ssize_t written =
        ::pwritev(fd, vectors.data() + first, count, static_cast<off_t>(offset_bytes));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return error_of(errno, "write " + path);
    if (written == 0) return make_error(ErrorCode::Io, "write " + path + ": nothing was written");
    offset_bytes += static_cast<std::uint64_t>(written);
    auto rest = static_cast<std::size_t>(written);
    while (first < vectors.size() && rest >= vectors[first].iov_len)
      rest -= vectors[first++].iov_len;
    if (rest > 0) {
      vectors[first].iov_base = static_cast<std::byte*>(vectors[first].iov_base) + rest;
      vectors[first].iov_len -= rest;
    }
  }
  return {};
}

Result<void> sync_directory_now(const std::string& path) {
  PREDA_TRY(const Descriptor directory,
            open_descriptor(path.empty() ? "/" : path, O_RDONLY | O_DIRECTORY));
  if (::fsync(directory.get()) != 0) return error_of(errno, "sync directory " + path);
  return {};
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> make_directories_now(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return {};
    return make_error(ErrorCode::AlreadyExists, path + " is there and is not a directory");
  }
  const std::string parent = parent_of(path);
  if (parent != path && parent != ".") {
    PREDA_CHECK(make_directories_now(parent));
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return error_of(errno, "make directory " + path);
  return sync_directory_now(parent);
}

Result<std::vector<std::string>> list_now(const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator i(path, error), end; !error && i != end;
       i.increment(error)) {
    names.push_back(i->path().filename().string());
  }
  if (error) return error_of(error.value(), "list " + path);
  std::ranges::sort(names);
  return names;
}

class PosixFile final : public File {
 public:
  PosixFile(Blocking& blocking, IoRing* ring, OpenPath opened)
      : blocking_(blocking),
        ring_(ring),
        state_(std::make_shared<const OpenPath>(std::move(opened))) {}

  Task<Result<Buffer>> read(std::uint64_t offset_bytes, std::size_t size_bytes) override {
    const bool is_tampered = ring_ != nullptr && ring_->is_tampered();
    if (size_bytes <= kCachedReadMax && !is_tampered) {
      auto cached = read_if_cached(*state_, offset_bytes, size_bytes);
      if (cached) co_return *std::move(cached);
    }
    if (ring_ != nullptr) co_return co_await read_by_ring(*ring_, state_, offset_bytes, size_bytes);
    co_return co_await read_by_thread(offset_bytes, size_bytes);
  }
  Task<Result<void>> write(std::uint64_t offset_bytes, BufferChain chain) override {
    if (ring_ != nullptr) return write_by_ring(*ring_, state_, offset_bytes, std::move(chain));
    return write_by_thread(offset_bytes, std::move(chain));
  }
  Task<Result<void>> sync() override {
    return ring_ != nullptr ? sync_by_ring(*ring_, state_) : sync_by_thread();
  }
  Task<Result<void>> preallocate(std::uint64_t size_bytes) override {
    auto work = [state = state_, size_bytes]() -> Result<void> {
      if (::fallocate(state->writer(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size_bytes)) == 0)
        return {};
      if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINTR) return {};
      return error_of(errno, "allocate " + state->path);
    };
    co_return co_await run_blocking(blocking_, std::move(work));
  }
  Task<Result<void>> truncate(std::uint64_t size_bytes) override {
    auto work = [state = state_, size_bytes]() -> Result<void> {
      if (::ftruncate(state->writer(), static_cast<off_t>(size_bytes)) != 0)
        return error_of(errno, "truncate " + state->path);
      return {};
    };
    co_return co_await run_blocking(blocking_, std::move(work));
  }
  Task<Result<std::uint64_t>> size_bytes() override {
    auto work = [state = state_]() -> Result<std::uint64_t> {
      struct stat status{};
      if (::fstat(state->read.get(), &status) != 0) return error_of(errno, "stat " + state->path);
      return static_cast<std::uint64_t>(status.st_size);
    };
    co_return co_await run_blocking(blocking_, std::move(work));
  }

 private:
  Task<Result<Buffer>> read_by_thread(std::uint64_t offset_bytes, std::size_t size_bytes) {
    auto work = [state = state_, offset_bytes, size_bytes] {
      return read_at(*state, offset_bytes, size_bytes);
    };
    co_return co_await run_blocking(blocking_, std::move(work));
  }
  Task<Result<void>> write_by_thread(std::uint64_t offset_bytes, BufferChain chain) {
    auto work = [state = state_, offset_bytes, held = std::move(chain)] {
      return write_at(state->writer(), state->path, offset_bytes, held);
    };
    co_return co_await run_blocking(blocking_, std::move(work));
  }
  Task<Result<void>> sync_by_thread() {
    auto work = [state = state_]() -> Result<void> {
      if (::fdatasync(state->writer()) != 0) return error_of(errno, "sync " + state->path);
      return {};
    };
    co_return co_await run_blocking(blocking_, std::move(work));
  }

  Blocking& blocking_;
  IoRing* ring_;  // none: everything by threads
  std::shared_ptr<const OpenPath> state_;
};

Result<std::pair<Descriptor, Descriptor>> open_both(const std::string& path, FileMode mode) {
  const int flags = (mode.write ? O_RDWR : O_RDONLY) | (mode.create ? O_CREAT : 0) |
                    (mode.create && mode.exclusive ? O_EXCL : 0);
  PREDA_TRY(Descriptor read, open_descriptor(path, flags));
  if (!mode.write || !mode.direct) return std::pair{std::move(read), Descriptor{}};
  auto write = open_descriptor(path, O_RDWR | O_DIRECT);
  if (!write)
    return std::pair{std::move(read), Descriptor{}};  // tmpfs and others have no direct writes
  return std::pair{std::move(read), *std::move(write)};
}

}  // namespace

Task<Result<std::shared_ptr<File>>> PosixFiles::open(std::string path, FileMode mode) {
  auto work = [path, mode] { return open_both(path, mode); };
  PREDA_CO_TRY(auto both, co_await run_blocking(blocking_, std::move(work)));
  OpenPath opened{std::move(path), std::move(both.first), std::move(both.second), pool_};
  std::shared_ptr<File> file = std::make_shared<PosixFile>(blocking_, ring_, std::move(opened));
  co_return file;
}

Task<Result<void>> PosixFiles::rename(std::string from, std::string to) {
  auto work = [from, to]() -> Result<void> {
    if (::rename(from.c_str(), to.c_str()) != 0) return error_of(errno, "rename " + from);
    return {};
  };
  co_return co_await run_blocking(blocking_, std::move(work));
}

Task<Result<void>> PosixFiles::remove(std::string path) {
  auto work = [path]() -> Result<void> {
    if (::remove(path.c_str()) != 0) return error_of(errno, "remove " + path);
    return {};
  };
  co_return co_await run_blocking(blocking_, std::move(work));
}

Task<Result<void>> PosixFiles::remove_tree(std::string path) {
  auto work = [path]() -> Result<void> {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error && error.value() != ENOENT) return error_of(error.value(), "remove " + path);
    return {};
  };
  co_return co_await run_blocking(blocking_, std::move(work));
}

Task<Result<std::vector<std::string>>> PosixFiles::list(std::string directory) {
  auto work = [directory] { return list_now(directory); };
  co_return co_await run_blocking(blocking_, std::move(work));
}

Task<Result<void>> PosixFiles::create_directories(std::string path) {
  auto work = [path] { return make_directories_now(path); };
  co_return co_await run_blocking(blocking_, std::move(work));
}

Task<Result<void>> PosixFiles::sync_directory(std::string path) {
  auto work = [path] { return sync_directory_now(path); };
  co_return co_await run_blocking(blocking_, std::move(work));
}

Task<Result<SpaceInfo>> PosixFiles::space(std::string path) {
  auto work = [path]() -> Result<SpaceInfo> {
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) != 0) return error_of(errno, "space of " + path);
    return SpaceInfo{static_cast<std::uint64_t>(info.f_blocks) * info.f_frsize,
                     static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize};
  };
  co_return co_await run_blocking(blocking_, std::move(work));
}

}  // namespace predastore
