#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace predastore::net {

// Memory for what arrives, in blocks of one size that come back here from whoever read them, on
// any thread. Fresh memory of the system costs more to touch than the bytes cost to receive.
class QuicBlockPool : public std::enable_shared_from_this<QuicBlockPool> {
 public:
  static constexpr std::size_t kBlockBytes = 64 * 1024;

  // At most that many blocks wait here; how many are lent is bounded by the windows.
  explicit QuicBlockPool(std::size_t idle_max) : idle_max_(idle_max) {}

  std::shared_ptr<std::byte[]> take();

 private:
  void give_back(std::unique_ptr<std::byte[]> block);

  const std::size_t idle_max_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<std::byte[]>> idle_;
};

}  // namespace predastore::net
