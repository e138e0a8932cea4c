#include "cli/bench/pattern.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "digest/hash.h"

namespace predastore::cli::bench {

namespace {

// FNV-1a: the same place for the same name in every run.
std::uint64_t place_of(std::string_view key) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
std::uint64_t next_of(std::uint64_t& state) {
  std::uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace

Pattern::Pattern() {
  MutableBuffer made(kPeriodBytes);
  std::uint64_t state = 1;
  for (std::size_t at = 0; at < kPeriodBytes; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = next_of(state);
    std::memcpy(made.data() + at, &word, sizeof(word));
  }
  base_ = std::move(made).freeze();
}

BufferChain Pattern::bytes(std::string_view key, std::uint64_t offset_bytes,
                           std::size_t size_bytes) const {
  BufferChain chain;
  std::size_t at = (place_of(key) + offset_bytes) % kPeriodBytes;
  while (size_bytes > 0) {
    const std::size_t count = std::min(size_bytes, kPeriodBytes - at);
    chain.append(base_.slice(at, count));
    size_bytes -= count;
    at = 0;
  }
  return chain;
}

bool Pattern::matches(std::string_view key, std::uint64_t offset_bytes, ByteSpan found) const {
  const BufferChain expected = bytes(key, offset_bytes, found.size());
  std::size_t at = 0;
  for (const Buffer& piece : expected.buffers()) {
    if (std::memcmp(piece.data(), found.data() + at, piece.size()) != 0) return false;
    at += piece.size();
  }
  return true;
}

std::string Pattern::sha256_hex(std::string_view key, std::uint64_t offset_bytes,
                                std::uint64_t size_bytes) const {
  digest::Sha256 hasher;
  for (std::uint64_t at = 0; at < size_bytes;) {
    const std::size_t count =
        static_cast<std::size_t>(std::min<std::uint64_t>(size_bytes - at, kPeriodBytes));
    const BufferChain chain = bytes(key, offset_bytes + at, count);
    for (const Buffer& piece : chain.buffers()) hasher.update(piece.bytes());
    at += count;
  }
  const std::string raw = hasher.finish();
  return to_hex(as_bytes(raw));
}

}  // namespace predastore::cli::bench
