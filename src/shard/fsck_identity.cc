// The part of fsck that asks who the drives are.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "shard/fsck.h"

namespace predastore::shard {
namespace {

constexpr std::size_t kFileMaxBytes = 1 << 20;

std::string hex(const DriveId& id) { return to_hex(id.span()); }

// None: there is none, or it is damaged, which `problems` has been told.
Task<std::optional<DriveList>> load_list(FileSystem& files, std::string path,
                                         std::vector<std::string>& problems) {
  const auto bytes = co_await read_file(files, path, kFileMaxBytes);
  if (!bytes) {
    problems.push_back(fmt::format("{}: {}", path, bytes.error().to_string()));
    co_return std::nullopt;
  }
  auto list = decode_drive_list(bytes->text());
  if (list) co_return std::move(*list);
  problems.push_back(fmt::format("{}: {}", path, list.error().detail));
  co_return std::nullopt;
}

void check_against_list(const std::string& place, const DriveIdentity& identity,
                        const DriveList& list, std::vector<std::string>& problems) {
  const auto say = [&](const std::string& what) { problems.push_back(place + ": " + what); };
  if (identity.cluster != ClusterId{} && identity.cluster != list.cluster)
    say("the drive is of another cluster");
  if (identity.node != NodeId{} && identity.node != list.node)
    say(fmt::format("the drive is of node {:016x}", identity.node.value()));
  const auto known = std::ranges::find(list.drives, place, &KnownDrive::place);
  if (known != list.drives.end() && known->id == identity.drive) return;
  const auto where = std::ranges::find(list.drives, identity.drive, &KnownDrive::id);
  if (where != list.drives.end()) {
    say(fmt::format("drive {} belongs at {}", hex(identity.drive), where->place));
  } else {
    say(fmt::format("drive {} is not one that the node knows", hex(identity.drive)));
  }
}

}  // namespace

Task<Result<std::vector<std::string>>> check_identities(Environment env, std::string list_path,
                                                        std::vector<PlacedReport> reports) {
  std::vector<std::string> problems;
  const auto list = co_await load_list(env.files, std::move(list_path), problems);
  for (const PlacedReport& report : reports) {
    const auto bytes =
        co_await read_file(env.files, report.at.directory + "/drive.id", kFileMaxBytes);
    const auto identity =
        bytes ? decode_drive_identity(bytes->text()) : Result<DriveIdentity>{bytes.error()};
    if (!identity) {
      problems.push_back(
          fmt::format("{}: drive.id: {}", report.at.place, identity.error().to_string()));
      continue;
    }
    if (report.drive && *report.drive != identity->drive)
      problems.push_back(fmt::format("{}: drive.id says {}, the files say {}", report.at.place,
                                     hex(identity->drive), hex(*report.drive)));
    if (list) check_against_list(report.at.place, *identity, *list, problems);
  }
  co_return problems;
}

}  // namespace predastore::shard
