#include "digest/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

namespace predastore::digest {
namespace {

// Fetched once: EVP_sha256() and its like look the implementation up anew at every use.
const EVP_MD* implementation(HashKind kind) {
  static const std::array<EVP_MD*, 3> fetched = {EVP_MD_fetch(nullptr, "MD5", nullptr),
                                                 EVP_MD_fetch(nullptr, "SHA1", nullptr),
                                                 EVP_MD_fetch(nullptr, "SHA256", nullptr)};
  const EVP_MD* found = fetched[static_cast<std::size_t>(kind)];
  PREDA_ASSERT(found != nullptr);
  return found;
}

std::string hash_of(HashKind kind, ByteSpan bytes) {
  Hash hash(kind);
  hash.update(bytes);
  return hash.finish();
}

}  // namespace

struct Hash::State {
  explicit State(HashKind hash_kind) : kind(hash_kind), context(EVP_MD_CTX_new()) {
    PREDA_ASSERT(context != nullptr);
    begin();
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  void begin() const {
    PREDA_ASSERT(EVP_DigestInit_ex2(context, implementation(kind), nullptr) == 1);
  }

  HashKind kind;
  EVP_MD_CTX* context;
};

Hash::Hash(HashKind kind) : state_(std::make_unique<State>(kind)) {}
Hash::~Hash() = default;
Hash::Hash(Hash&&) noexcept = default;
Hash& Hash::operator=(Hash&&) noexcept = default;

void Hash::update(ByteSpan bytes) {
  PREDA_ASSERT(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Hash::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned int size_bytes = 0;
  PREDA_ASSERT(EVP_DigestFinal_ex(state_->context, value.data(), &size_bytes) == 1);
  state_->begin();
  return {reinterpret_cast<const char*>(value.data()), size_bytes};
}

std::string md5(ByteSpan bytes) { return hash_of(HashKind::md5, bytes); }
std::string sha1(ByteSpan bytes) { return hash_of(HashKind::sha1, bytes); }
std::string sha256(ByteSpan bytes) { return hash_of(HashKind::sha256, bytes); }

std::string hmac_sha256(ByteSpan key, ByteSpan bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned int size_bytes = 0;
  const auto* done =
      HMAC(implementation(HashKind::sha256), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), value.data(),
           &size_bytes);
  PREDA_ASSERT(done != nullptr);
  return {reinterpret_cast<const char*>(value.data()), size_bytes};
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace predastore::digest
