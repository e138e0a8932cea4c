#include "crypto/secret.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>

namespace predastore::crypto {
namespace {
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
}

void Secret::wipe() noexcept {
  OPENSSL_cleanse(text_.data(), text_.size());
  text_.clear();
}

Secret::~Secret() { wipe(); }

Secret& Secret::operator=(const Secret& other) {
  if (this == &other) return *this;
  wipe();
  text_ = other.text_;
  return *this;
}

// A short string is copied, not moved, by std::string: what stays behind is wiped too.
Secret::Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { other.wipe(); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  wipe();
  text_ = std::move(other.text_);
  other.wipe();
  return *this;
}

bool operator==(const Secret& a, const Secret& b) {
  return a.text_.size() == b.text_.size() &&
         CRYPTO_memcmp(a.text_.data(), b.text_.data(), a.text_.size()) == 0;
}

Result<Secret> random_secret_text(std::size_t length) {
  std::string text;
  text.reserve(length);
  std::array<unsigned char, 64> drawn{};
  constexpr unsigned kLimit =
      256 / kAlphabet.size() *
      kAlphabet.size();  // above it the remainder would favour the first letters
  while (text.size() < length) {
    if (RAND_bytes(drawn.data(), static_cast<int>(drawn.size())) != 1) {
      return make_error(ErrorCode::Internal, "the system gives no random bytes");
    }
    for (unsigned char byte : drawn) {
      if (byte < kLimit && text.size() < length) text.push_back(kAlphabet[byte % kAlphabet.size()]);
    }
  }
  OPENSSL_cleanse(drawn.data(), drawn.size());
  return Secret{std::move(text)};
}

}  // namespace predastore::crypto
