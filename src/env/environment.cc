#include "env/environment.h"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "env/sync.h"

namespace predastore {
namespace asio = boost::asio;

std::uint64_t Random::next_u64() {
  std::uint64_t value = 0;
  fill(std::as_writable_bytes(std::span{&value, 1}));
  return value;
}

std::uint64_t Random::below(std::uint64_t bound) {
  PREDA_ASSERT(bound > 0);
  // Draws above the last whole multiple of bound are thrown away, so that the rest is uniform.
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  std::uint64_t value = next_u64();
  while (value >= limit) value = next_u64();
  return value % bound;
}

Task<void> sleep_until(Clock& clock, Instant when) {
  Signal never_notified{clock};
  co_await never_notified.wait_until(when);
}

Task<void> run_blocking_void(Blocking& blocking, std::function<void()> work) {
  auto executor = co_await asio::this_coro::executor;
  auto initiate = [&blocking, &executor, &work](asio::any_completion_handler<void()> handler) {
    auto held = std::make_shared<asio::any_completion_handler<void()>>(std::move(handler));
    blocking.submit(executor, std::move(work), [held] { std::move (*held)(); });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(initiate,
                                                                       asio::use_awaitable);
}

Task<Result<Buffer>> read_file(FileSystem& files, std::string path, std::size_t limit_bytes) {
  PREDA_CO_TRY(auto file, co_await files.open(path, FileMode{}));
  PREDA_CO_TRY(std::uint64_t size_bytes, co_await file->size_bytes());
  if (size_bytes > limit_bytes)
    co_return make_error(ErrorCode::InvalidArgument, path + " is larger than expected");
  co_return co_await file->read(0, static_cast<std::size_t>(size_bytes));
}

Task<Result<void>> write_file_durably(FileSystem& files, std::string path, Buffer bytes) {
  const std::string fresh = path + ".new";
  {
    PREDA_CO_TRY(auto file, co_await files.open(fresh, FileMode{.write = true, .create = true}));
    PREDA_CO_CHECK(co_await file->truncate(0));
    PREDA_CO_CHECK(co_await file->write(0, BufferChain{std::move(bytes)}));
    PREDA_CO_CHECK(co_await file->sync());
  }
  PREDA_CO_CHECK(co_await files.rename(fresh, path));
  const std::size_t slash = path.rfind('/');
  // Named first: gcc 12 destroys a temporary of a conditional operator twice inside a co_await
  // expression.
  std::string directory = slash == std::string::npos ? "." : path.substr(0, slash);
  co_return co_await files.sync_directory(std::move(directory));
}

}  // namespace predastore
