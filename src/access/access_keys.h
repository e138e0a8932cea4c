#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/secret.h"
#include "env/environment.h"
#include "meta/meta_service.h"

namespace predastore::access {

struct AccessKey {
  std::string id;         // 16..128 of A-Z a-z 0-9 _, as AWS has it
  crypto::Secret secret;  // 8..256 bytes
  bool is_enabled = true;
  std::int64_t created_ms = 0;  // 0: not known
  std::int64_t changed_ms = 0;  // when it got its secret
  std::string description{};    // UTF-8 without control characters, to kDescriptionMaxBytes
};

inline constexpr std::size_t kDescriptionMaxBytes = 256;

// A new id (20 characters) and secret (40) from the system's cryptographic generator.
Result<AccessKey> make_access_key();
bool is_access_key_id(std::string_view id);

// Who may use S3: access keys and their secrets, replicated as settings of the metadata. SigV4
// needs the secret itself, so it is stored as it is, protected like all metadata: in files that
// only the server's user can read. Used on one loop.
//
// Answers are cached: a key that was changed elsewhere is what it is now here within `cache_for`,
// at once where the change was made. While the metadata cannot be reached, a cached key stays good
// for no longer than that.
class AccessKeys {
 public:
  AccessKeys(Environment env, meta::MetaService& meta, Duration cache_for = 5s);

  // None when there is no such (enabled) key. Errors are those of the metadata: nothing is known
  // about the key then.
  Task<Result<std::optional<crypto::Secret>>> secret_of(std::string access_key_id,
                                                        Instant deadline);

  // All of these are durable in the metadata majority when they return. InvalidArgument: an id,
  // secret or description of the wrong form. Conflict: somebody else changed the key just now.

  // AlreadyExists when there is one of that id, enabled or not.
  Task<Result<void>> create(AccessKey key, Instant deadline);
  // Stores a key under its id, whatever was there.
  Task<Result<void>> put(AccessKey key, Instant deadline);
  // The key that every node has in a file, the first time that it is seen: once it was stored, it
  // is like any other, and stays as it was made, also when it was disabled or removed.
  Task<Result<void>> create_first(AccessKey key, Instant deadline);
  // In order of ids, without secrets.
  Task<Result<std::vector<AccessKey>>> list(Instant deadline);
  // NotFound when there is none.
  Task<Result<AccessKey>> set_enabled(std::string id, bool is_enabled, Instant deadline);
  // Gives the key a new secret, which the answer has; the old one is good for nothing.
  Task<Result<AccessKey>> rotate(std::string id, Instant deadline);
  Task<Result<void>> remove(std::string id, Instant deadline);

 private:
  struct Cached {
    std::optional<crypto::Secret> secret;
    Instant expires;
  };
  struct Stored {
    std::string value;
    AccessKey key;
  };
  Task<Result<Stored>> find(std::string id, Instant deadline);
  Task<Result<void>> change(std::string id, std::optional<std::string> expected,
                            std::optional<std::string> value, Instant deadline);
  std::int64_t now_ms() const;

  Environment env_;
  meta::MetaService& meta_;
  Duration cache_for_;
  std::map<std::string, Cached> cache_;
  std::uint64_t change_count_ = 0;  // of those made here
};

}  // namespace predastore::access
