#include "base/buffer.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace predastore {

Buffer Buffer::copy_of(ByteSpan bytes) {
  if (bytes.empty()) return {};
  MutableBuffer copy{bytes.size()};
  std::memcpy(copy.data(), bytes.data(), bytes.size());
  return std::move(copy).freeze();
}

Buffer Buffer::take(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  const ByteSpan bytes = as_bytes(*owner);
  return Buffer{std::move(owner), bytes};
}

MutableBuffer::MutableBuffer(std::size_t size_bytes) {
  auto owner = std::shared_ptr<std::byte[]>(new std::byte[size_bytes]);
  bytes_ = {owner.get(), size_bytes};
  owner_ = std::move(owner);
}

MutableBuffer MutableBuffer::aligned(std::size_t size_bytes) {
  constexpr std::size_t kAlignment = 4096;
  const std::size_t rounded = (size_bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, rounded == 0 ? kAlignment : rounded);
  if (memory == nullptr) throw std::bad_alloc{};
  std::shared_ptr<void> owner{memory, std::free};
  return MutableBuffer{std::move(owner), {static_cast<std::byte*>(memory), size_bytes}};
}

Buffer BufferChain::flatten() const {
  if (buffers_.empty()) return {};
  if (buffers_.size() == 1) return buffers_.front();
  MutableBuffer whole{size_bytes_};
  std::size_t offset = 0;
  for (const Buffer& buffer : buffers_) {
    std::memcpy(whole.data() + offset, buffer.data(), buffer.size());
    offset += buffer.size();
  }
  return std::move(whole).freeze();
}

}  // namespace predastore
