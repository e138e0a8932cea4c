#include "model/object_id.h"

#include <string>

#include "digest/hash.h"

namespace predastore {

ObjectId make_object_id(std::string_view bucket, std::string_view key,
                        const std::array<std::byte, 16>& salt) {
  std::string text{bucket};
  text.append("/").append(key);
  text.push_back('\0');
  text.append(as_text(salt));
  const std::string hash = digest::sha256(text);
  return ObjectId::from(as_bytes(hash));
}

}  // namespace predastore
