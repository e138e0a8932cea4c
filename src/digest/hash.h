#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/buffer.h"

namespace predastore::digest {

enum class HashKind { md5, sha1, sha256 };

// A hash of bytes that come piece by piece. finish() gives the raw bytes and begins anew. One
// thread at a time.
class Hash {
 public:
  explicit Hash(HashKind kind);
  ~Hash();
  Hash(Hash&&) noexcept;
  Hash& operator=(Hash&&) noexcept;

  void update(ByteSpan bytes);
  void update(std::string_view text) { update(as_bytes(text)); }
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct Md5 : Hash {
  Md5() : Hash(HashKind::md5) {}
};
struct Sha1 : Hash {
  Sha1() : Hash(HashKind::sha1) {}
};
struct Sha256 : Hash {
  Sha256() : Hash(HashKind::sha256) {}
};

// Of bytes that are all there; raw.
std::string md5(ByteSpan bytes);
std::string sha1(ByteSpan bytes);
std::string sha256(ByteSpan bytes);
std::string hmac_sha256(ByteSpan key, ByteSpan bytes);

inline std::string md5(std::string_view text) { return md5(as_bytes(text)); }
inline std::string sha1(std::string_view text) { return sha1(as_bytes(text)); }
inline std::string sha256(std::string_view text) { return sha256(as_bytes(text)); }
inline std::string hmac_sha256(std::string_view key, std::string_view text) {
  return hmac_sha256(as_bytes(key), as_bytes(text));
}

// For secrets and signatures: how long it takes tells nothing but the lengths.
bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace predastore::digest
