#include "node/identity.h"

#include "base/text.h"

namespace predastore::node {

Task<Result<DriveId>> load_or_make_drive_id(Environment env, std::string directory) {
  const std::string path = directory + "/drive.id";
  auto found = co_await read_file(env.files, path, 256);
  if (found) {
    std::string_view text = found->text();
    if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    const auto raw = from_hex(text);
    if (!raw || raw->size() != sizeof(DriveId))
      co_return make_error(ErrorCode::Corruption, path + " does not hold 32 hexadecimal digits");
    co_return DriveId::from(as_bytes(*raw));
  }
  if (found.error().code != ErrorCode::NotFound) co_return std::move(found).error();
  PREDA_CO_CHECK(co_await env.files.create_directories(directory));
  DriveId id;
  env.random.fill(id.bytes);
  std::string text = to_hex(id.span()) + "\n";
  PREDA_CO_CHECK(co_await write_file_durably(env.files, path, Buffer::take(std::move(text))));
  co_return id;
}

}  // namespace predastore::node
