#include "access/access_keys.h"

#include <algorithm>
#include <utility>

#include "base/codec.h"

namespace predastore::access {
namespace {

constexpr std::uint8_t kFormatVersion = 1;
constexpr std::size_t kCacheEntriesMax =
    4096;  // strangers' ids are cached as well: they must not fill the memory

constexpr Duration kCacheNoneFor = 500ms;

std::string setting_name(std::string_view id) { return "access_key/" + std::string(id); }

std::string encode(const AccessKey& key) {
  Encoder encoder;
  encoder.le(kFormatVersion)
      .le(static_cast<std::uint8_t>(key.is_enabled ? 1 : 0))
      .string(key.secret.reveal());
  return std::move(encoder).take();
}

Result<AccessKey> decode(std::string id, const std::string& value) {
  Decoder decoder(as_bytes(value));
  const auto version = decoder.le<std::uint8_t>();
  const auto enabled = decoder.le<std::uint8_t>();
  const std::string secret(decoder.string());
  if (!decoder.finished() || version != kFormatVersion || enabled > 1) {
    return make_error(ErrorCode::Corruption, "the stored access key " + id + " cannot be read");
  }
  return AccessKey{std::move(id), crypto::Secret(secret), enabled == 1};
}

}  // namespace

bool is_access_key_id(std::string_view id) {
  return id.size() >= 16 && id.size() <= 128 && std::ranges::all_of(id, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

Result<AccessKey> make_access_key() {
  PREDA_TRY(const crypto::Secret id, crypto::random_secret_text(18));
  PREDA_TRY(crypto::Secret secret, crypto::random_secret_text(40));
  std::string name = "PS" + std::string(id.reveal());
  for (char& c : name) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return AccessKey{std::move(name), std::move(secret), true};
}

AccessKeys::AccessKeys(Environment env, meta::MetaService& meta, Duration cache_for)
    : env_(env), meta_(meta), cache_for_(cache_for) {}

Task<Result<std::optional<crypto::Secret>>> AccessKeys::secret_of(std::string access_key_id,
                                                                  Instant deadline) {
  using Answer = std::optional<crypto::Secret>;
  if (!is_access_key_id(access_key_id)) co_return Answer{};
  const auto found = cache_.find(access_key_id);
  if (found != cache_.end() && env_.clock.now() < found->second.expires)
    co_return Answer{found->second.secret};

  // Counted from before the read: what the answer shows may be overtaken while it travels.
  const Instant asked = env_.clock.now();
  PREDA_CO_TRY(const std::optional<std::string> value,
               co_await meta_.get_setting(setting_name(access_key_id), deadline));
  Answer secret;
  if (value.has_value()) {
    PREDA_CO_TRY(AccessKey key, decode(access_key_id, *value));
    if (key.is_enabled) secret = std::move(key.secret);
  }
  if (cache_.size() >= kCacheEntriesMax) cache_.clear();
  // A key that is not there now may be made any moment, and who made it wants to use it.
  const Instant expires = asked + (secret ? cache_for_ : std::min(cache_for_, kCacheNoneFor));
  cache_.insert_or_assign(std::move(access_key_id), Cached{secret, expires});
  co_return secret;
}

Task<Result<void>> AccessKeys::put(AccessKey key, Instant deadline) {
  if (!is_access_key_id(key.id)) {
    co_return make_error(ErrorCode::InvalidArgument,
                         "an access key id has 16 to 128 characters of A-Z a-z 0-9 _");
  }
  if (key.secret.reveal().size() < 8 || key.secret.reveal().size() > 256) {
    co_return make_error(ErrorCode::InvalidArgument, "a secret access key has 8 to 256 characters");
  }
  cache_.erase(key.id);
  co_return co_await meta_.put_setting(setting_name(key.id), encode(key), deadline);
}

}  // namespace predastore::access
