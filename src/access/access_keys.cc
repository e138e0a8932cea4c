#include "access/access_keys.h"

#include <algorithm>
#include <utility>

#include "base/codec.h"

namespace predastore::access {
namespace {

// 1: enabled and secret. 2: times and a description as well.
constexpr std::uint8_t kFormatVersion = 2;
constexpr std::size_t kCacheEntriesMax =
    4096;  // strangers' ids are cached as well: they must not fill the memory
constexpr std::uint32_t kPageEntries = 500;
constexpr std::size_t kSecretLength = 40;

constexpr Duration kCacheNoneFor = 500ms;
constexpr std::string_view kPrefix = "access_key/";

std::string setting_name(std::string_view id) { return std::string{kPrefix} + std::string(id); }
// There when the key of that id was made from the file that every node has.
std::string first_key_name(std::string_view id) { return "first_access_key/" + std::string(id); }

std::string encode(const AccessKey& key) {
  Encoder encoder;
  encoder.le(kFormatVersion)
      .le(static_cast<std::uint8_t>(key.is_enabled ? 1 : 0))
      .string(key.secret.reveal())
      .le(static_cast<std::uint64_t>(key.created_ms))
      .le(static_cast<std::uint64_t>(key.changed_ms))
      .string(key.description);
  return std::move(encoder).take();
}

Result<AccessKey> decode(std::string id, const std::string& value) {
  Decoder decoder(as_bytes(value));
  AccessKey key;
  const auto version = decoder.le<std::uint8_t>();
  const auto enabled = decoder.le<std::uint8_t>();
  key.secret = crypto::Secret{std::string(decoder.string())};
  if (version >= 2) {
    key.created_ms = static_cast<std::int64_t>(decoder.le<std::uint64_t>());
    key.changed_ms = static_cast<std::int64_t>(decoder.le<std::uint64_t>());
    key.description = std::string(decoder.string());
  }
  if (!decoder.finished() || version < 1 || version > kFormatVersion || enabled > 1)
    return make_error(ErrorCode::Corruption, "the stored access key " + id + " cannot be read");
  key.id = std::move(id);
  key.is_enabled = enabled == 1;
  return key;
}

Result<void> check(const AccessKey& key) {
  if (!is_access_key_id(key.id))
    return make_error(ErrorCode::InvalidArgument,
                      "an access key id has 16 to 128 characters of A-Z a-z 0-9 _");
  if (key.secret.reveal().size() < 8 || key.secret.reveal().size() > 256)
    return make_error(ErrorCode::InvalidArgument, "a secret access key has 8 to 256 characters");
  const bool has_control = std::ranges::any_of(
      key.description, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (key.description.size() > kDescriptionMaxBytes || has_control)
    return make_error(ErrorCode::InvalidArgument,
                      "a description has at most 256 bytes and no control characters");
  return {};
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
  PREDA_TRY(crypto::Secret secret, crypto::random_secret_text(kSecretLength));
  std::string name = "PS" + std::string(id.reveal());
  for (char& c : name) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return AccessKey{std::move(name), std::move(secret)};
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
  const std::uint64_t change_count = change_count_;
  PREDA_CO_TRY(const std::optional<std::string> value,
               co_await meta_.get_setting(setting_name(access_key_id), deadline));
  Answer secret;
  if (value.has_value()) {
    PREDA_CO_TRY(AccessKey key, decode(access_key_id, *value));
    if (key.is_enabled) secret = std::move(key.secret);
  }
  if (change_count != change_count_) co_return secret;  // it may be that key that was changed
  if (cache_.size() >= kCacheEntriesMax) cache_.clear();
  // A key that is not there now may be made any moment, and who made it wants to use it.
  const Instant expires = asked + (secret ? cache_for_ : std::min(cache_for_, kCacheNoneFor));
  cache_.insert_or_assign(std::move(access_key_id), Cached{secret, expires});
  co_return secret;
}

std::int64_t AccessKeys::now_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             env_.clock.wall_now().time_since_epoch())
      .count();
}

Task<Result<void>> AccessKeys::put(AccessKey key, Instant deadline) {
  PREDA_CO_CHECK(check(key));
  if (key.created_ms == 0) key.created_ms = key.changed_ms = now_ms();
  const Result<void> stored =
      co_await meta_.put_setting(setting_name(key.id), encode(key), deadline);
  ++change_count_;
  cache_.erase(key.id);
  co_return stored;
}

Task<Result<void>> AccessKeys::create(AccessKey key, Instant deadline) {
  PREDA_CO_CHECK(check(key));
  key.created_ms = key.changed_ms = now_ms();
  const Result<void> made = co_await change(key.id, std::nullopt, encode(key), deadline);
  if (!made && made.error().code == ErrorCode::Conflict)
    co_return make_error(ErrorCode::AlreadyExists, "there is an access key " + key.id);
  co_return made;
}

Task<Result<void>> AccessKeys::create_first(AccessKey key, Instant deadline) {
  PREDA_CO_TRY(const std::optional<std::string> seen,
               co_await meta_.get_setting(first_key_name(key.id), deadline));
  if (seen.has_value()) co_return Result<void>{};
  std::string name = first_key_name(key.id);
  const Result<void> made = co_await create(std::move(key), deadline);
  if (!made && made.error().code != ErrorCode::AlreadyExists) co_return made;
  co_return co_await meta_.put_setting(std::move(name), "1", deadline);
}

Task<Result<std::vector<AccessKey>>> AccessKeys::list(Instant deadline) {
  std::vector<AccessKey> keys;
  std::string after;
  for (;;) {
    PREDA_CO_TRY(const meta::SettingPage page,
                 co_await meta_.list_settings(std::string{kPrefix}, after, kPageEntries, deadline));
    for (const auto& [name, value] : page.settings) {
      PREDA_CO_TRY(AccessKey key, decode(name.substr(kPrefix.size()), value));
      key.secret = {};
      keys.push_back(std::move(key));
      after = name;
    }
    if (!page.is_truncated || page.settings.empty()) co_return keys;
  }
}

Task<Result<AccessKeys::Stored>> AccessKeys::find(std::string id, Instant deadline) {
  Stored stored;
  std::optional<std::string> value;
  if (is_access_key_id(id)) {
    PREDA_CO_TRY(value, co_await meta_.get_setting(setting_name(id), deadline));
  }
  if (!value) co_return make_error(ErrorCode::NotFound, "there is no access key " + id);
  PREDA_CO_TRY(stored.key, decode(std::move(id), *value));
  stored.value = *std::move(value);
  co_return stored;
}

Task<Result<void>> AccessKeys::change(std::string id, std::optional<std::string> expected,
                                      std::optional<std::string> value, Instant deadline) {
  meta::SettingChange command{setting_name(id), std::move(expected), std::move(value)};
  const Result<void> changed = co_await meta_.change_setting(std::move(command), deadline);
  ++change_count_;
  cache_.erase(id);
  co_return changed;
}

Task<Result<AccessKey>> AccessKeys::set_enabled(std::string id, bool is_enabled, Instant deadline) {
  PREDA_CO_TRY(Stored stored, co_await find(std::move(id), deadline));
  AccessKey key = std::move(stored.key);
  if (key.is_enabled != is_enabled) {
    key.is_enabled = is_enabled;
    PREDA_CO_CHECK(co_await change(key.id, std::move(stored.value), encode(key), deadline));
  }
  key.secret = {};
  co_return key;
}

Task<Result<AccessKey>> AccessKeys::rotate(std::string id, Instant deadline) {
  PREDA_CO_TRY(Stored stored, co_await find(std::move(id), deadline));
  AccessKey key = std::move(stored.key);
  PREDA_CO_TRY(key.secret, crypto::random_secret_text(kSecretLength));
  key.changed_ms = now_ms();
  PREDA_CO_CHECK(co_await change(key.id, std::move(stored.value), encode(key), deadline));
  co_return key;
}

Task<Result<void>> AccessKeys::remove(std::string id, Instant deadline) {
  PREDA_CO_TRY(Stored stored, co_await find(id, deadline));
  co_return co_await change(std::move(id), std::move(stored.value), std::nullopt, deadline);
}

}  // namespace predastore::access
