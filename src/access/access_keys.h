#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/secret.h"
#include "env/environment.h"
#include "meta/meta_service.h"

namespace predastore::access {

struct AccessKey {
  std::string id;         // 16..128 of A-Z a-z 0-9 _, as AWS has it
  crypto::Secret secret;  // 8..256 bytes
  bool is_enabled = true;
};

// A new id (20 characters) and secret (40) from the system's cryptographic generator.
Result<AccessKey> make_access_key();
bool is_access_key_id(std::string_view id);

// Who may use S3: access keys and their secrets, replicated as settings of the metadata. SigV4
// needs the secret itself, so it is stored as it is, protected like all metadata: in files that
// only the server's user can read. Used on one loop.
//
// Answers are cached: a key that was put or disabled elsewhere takes effect here within
// `cache_for`. While the metadata cannot be reached, a cached key stays good for no longer than
// that.
class AccessKeys {
 public:
  AccessKeys(Environment env, meta::MetaService& meta, Duration cache_for = 10s);

  // None when there is no such (enabled) key. Errors are those of the metadata: nothing is known
  // about the key then.
  Task<Result<std::optional<crypto::Secret>>> secret_of(std::string access_key_id,
                                                        Instant deadline);
  // Durable in the metadata majority when it returns. InvalidArgument for an id or secret of the
  // wrong form.
  Task<Result<void>> put(AccessKey key, Instant deadline);

 private:
  struct Cached {
    std::optional<crypto::Secret> secret;
    Instant expires;
  };
  Environment env_;
  meta::MetaService& meta_;
  Duration cache_for_;
  std::map<std::string, Cached> cache_;
};

}  // namespace predastore::access
