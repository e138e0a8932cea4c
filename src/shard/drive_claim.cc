// Which drive is in which place of a node at start.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.h"
#include "shard/drive_identity.h"
#include "shard/shard_file.h"
#include "telemetry/log.h"

namespace predastore::shard {
namespace {

constexpr std::size_t kFileMaxBytes = 1 << 20;
constexpr std::size_t kLostMax = 100;  // so that the list does not grow for ever

// What was found in one place.
struct Seen {
  DrivePlace at;
  std::optional<DriveIdentity> identity;
  bool is_first_version = false;  // of the identity: the id alone
  bool has_files = false;         // shard files, and nothing that says whose
  std::string problem;            // it cannot be read
};

std::string name_of(const DriveId& id) { return to_hex(id.span()); }

class Claim {
 public:
  Claim(Environment env, ClusterId cluster, NodeId node, std::string list_path)
      : env_(env), cluster_(cluster), node_(node), list_path_(std::move(list_path)) {}

  Task<Result<DriveClaim>> run(std::vector<DrivePlace> places) {
    PREDA_CO_CHECK(co_await load_list());
    for (DrivePlace& place : places) {
      PREDA_CO_TRY(Seen seen, co_await look(std::move(place)));
      seen_.push_back(std::move(seen));
    }
    PREDA_CO_CHECK(check_identities());
    for (const Seen& seen : seen_) {
      PREDA_CO_TRY(ClaimedDrive drive, co_await claim(seen));
      claim_.drives.push_back(std::move(drive));
    }
    PREDA_CO_CHECK(co_await store_list());
    co_return std::move(claim_);
  }

 private:
  Error refusal(const Seen& seen, const std::string& why) const {
    return make_error(ErrorCode::InvalidArgument, fmt::format("drive {}: {}", seen.at.place, why));
  }

  Task<Result<void>> load_list() {
    const auto bytes = co_await read_file(env_.files, list_path_, kFileMaxBytes);
    if (!bytes && bytes.error().code == ErrorCode::NotFound) co_return Result<void>{};
    if (!bytes) co_return bytes.error();
    stored_ = bytes->text();
    auto list = decode_drive_list(stored_);
    if (!list && list.error().code == ErrorCode::Unsupported)
      co_return make_error(ErrorCode::Unsupported, list_path_ + ": " + list.error().detail);
    has_list_ = true;
    if (!list) {
      // The drives say themselves who they are; which are missing is not known any more, so all of
      // them are to be reconciled.
      telemetry::log_error("make the list of drives anew",
                           {{"file", list_path_}, {"error", list.error().detail}});
      co_return Result<void>{};
    }
    if (list->cluster != cluster_ || list->node != node_)
      co_return make_error(ErrorCode::InvalidArgument,
                           list_path_ +
                               " is of another cluster or node: storage.data_dir is to "
                               "name the directory of this node");
    known_ = std::move(*list);
    co_return Result<void>{};
  }

  Task<Result<Seen>> look(DrivePlace at) {
    Seen seen;
    seen.at = std::move(at);
    const std::string path = seen.at.directory + "/drive.id";
    const auto bytes = co_await read_file(env_.files, path, kFileMaxBytes);
    if (bytes) {
      auto identity = decode_drive_identity(bytes->text());
      if (identity) {
        seen.is_first_version = identity->cluster == ClusterId{};
        seen.identity = std::move(*identity);
        co_return seen;
      }
      if (identity.error().code == ErrorCode::Unsupported)
        co_return make_error(ErrorCode::Unsupported, path + ": " + identity.error().detail);
      telemetry::log_error("find a damaged identity of a drive",
                           {{"file", path}, {"error", identity.error().detail}});
    } else if (bytes.error().code != ErrorCode::NotFound) {
      seen.problem = bytes.error().to_string();
      co_return seen;
    }
    const auto names = co_await env_.files.list(seen.at.directory + "/shards");
    if (names) {
      seen.has_files = std::ranges::any_of(
          *names, [](const std::string& name) { return parse_shard_file_name(name).has_value(); });
    } else if (names.error().code != ErrorCode::NotFound) {
      seen.problem = names.error().to_string();
    }
    co_return seen;
  }

  bool is_configured(const std::string& place) const {
    return std::ranges::any_of(seen_,
                               [&place](const Seen& seen) { return seen.at.place == place; });
  }
  const KnownDrive* find_known(const DriveId& id) const {
    for (const KnownDrive& drive : known_.drives) {
      if (drive.id == id) return &drive;
    }
    return nullptr;
  }
  const KnownDrive* find_known_at(const std::string& place) const {
    for (const KnownDrive& drive : known_.drives) {
      if (drive.place == place) return &drive;
    }
    return nullptr;
  }

  Result<void> check_identities() const {
    std::map<DriveId, std::string> places;
    for (const Seen& seen : seen_) {
      if (!seen.identity) continue;
      const DriveIdentity& identity = *seen.identity;
      const std::string name = name_of(identity.drive);
      if (!seen.is_first_version && identity.cluster != cluster_)
        return refusal(seen,
                       fmt::format("drive {} belongs to cluster {}, not to this one ({}); put "
                                   "the right drive there, or an empty directory",
                                   name, to_hex(identity.cluster.span()), to_hex(cluster_.span())));
      if (!seen.is_first_version && identity.node != node_)
        return refusal(seen, fmt::format("drive {} belongs to node {:016x}, this is node {:016x}; "
                                         "put the right drive there, or an empty directory",
                                         name, identity.node.value(), node_.value()));
      const auto [other, is_first] = places.try_emplace(identity.drive, seen.at.place);
      if (!is_first)
        return refusal(seen,
                       fmt::format("drive {} is at {} as well: one of the two is a copy; take "
                                   "it away, an empty directory becomes a new drive",
                                   name, other->second));
      const KnownDrive* const known = find_known(identity.drive);
      if (known != nullptr && known->place != seen.at.place && is_configured(known->place))
        return refusal(seen, fmt::format("drive {} belongs at {}: drives were swapped; put each "
                                         "back where it was",
                                         name, known->place));
    }
    return {};
  }

  Task<Result<ClaimedDrive>> claim(const Seen& seen) {
    ClaimedDrive drive;
    drive.at = seen.at;
    if (seen.identity) co_return co_await claim_existing(seen, std::move(drive));
    const KnownDrive* const known = find_known_at(seen.at.place);
    if (!seen.problem.empty()) {
      if (known != nullptr) drive.id = known->id;
      if (known != nullptr) drive.is_unreconciled = known->is_unreconciled;
      drive.problem = seen.problem;
      co_return drive;
    }
    if (seen.has_files && known == nullptr)
      co_return refusal(seen,
                        "shard files, but no drive.id that says whose they are; put it back "
                        "(`predastore inspect` of a shard file tells the ids), or empty the "
                        "directory");
    if (seen.has_files) {  // their headers must name it, or opening the drive refuses
      drive.id = known->id;
      drive.is_unreconciled = known->is_unreconciled;
      PREDA_CO_CHECK(co_await store_identity(drive));
      co_return drive;
    }
    co_return co_await claim_new(std::move(drive), known);
  }

  Task<Result<ClaimedDrive>> claim_existing(const Seen& seen, ClaimedDrive drive) {
    drive.id = seen.identity->drive;
    const KnownDrive* const known = find_known(drive.id);
    if (known != nullptr) {
      drive.is_unreconciled = known->is_unreconciled;
    } else {
      // Given up before, or the list is lost. A drive of the first version had no list at all.
      drive.is_unreconciled = has_list_ || !seen.is_first_version;
      if (drive.is_unreconciled)
        telemetry::log_warn("take a drive that was not known",
                            {{"drive", name_of(drive.id)}, {"place", drive.at.place}});
    }
    if (seen.is_first_version) {
      const Result<void> stored = co_await store_identity(drive);
      if (!stored) drive.problem = stored.error().to_string();
    }
    co_return drive;
  }

  Task<Result<ClaimedDrive>> claim_new(ClaimedDrive drive, const KnownDrive* known) {
    const bool is_first_start = !has_list_ && std::ranges::none_of(seen_, [](const Seen& seen) {
      return seen.identity || seen.has_files;
    });
    env_.random.fill(drive.id.bytes);
    drive.is_unreconciled = !is_first_start;
    const Result<void> stored = co_await store_identity(drive);
    if (stored) {
      if (!is_first_start)
        telemetry::log_warn("make a new drive",
                            {{"drive", name_of(drive.id)}, {"place", drive.at.place}});
      co_return drive;
    }
    drive.id = known == nullptr ? DriveId{} : known->id;
    drive.is_unreconciled = known != nullptr && known->is_unreconciled;
    drive.problem = stored.error().to_string();
    co_return drive;
  }

  Task<Result<void>> store_identity(const ClaimedDrive& drive) {
    const std::string directory = drive.at.directory;
    PREDA_CO_CHECK(co_await env_.files.create_directories(directory));
    std::string text = encode_drive_identity({cluster_, node_, drive.id, drive.at.place});
    co_return co_await write_file_durably(env_.files, directory + "/drive.id",
                                          Buffer::take(std::move(text)));
  }

  Task<Result<void>> store_list() {
    DriveList& list = claim_.list;
    list.cluster = cluster_;
    list.node = node_;
    const auto is_claimed = [&list](const DriveId& id) {
      return std::ranges::any_of(list.drives,
                                 [&id](const KnownDrive& drive) { return drive.id == id; });
    };
    for (const ClaimedDrive& drive : claim_.drives) {
      if (drive.id != DriveId{})
        list.drives.push_back({drive.id, drive.at.place, drive.is_unreconciled});
    }
    for (const KnownDrive& drive : known_.lost) {
      if (!is_claimed(drive.id)) list.lost.push_back(drive);
    }
    for (const KnownDrive& drive : known_.drives) {
      if (is_claimed(drive.id)) continue;
      telemetry::log_error("give up a drive that is gone",
                           {{"drive", name_of(drive.id)}, {"place", drive.place}});
      list.lost.push_back({drive.id, drive.place, false});
    }
    if (list.lost.size() > kLostMax)
      list.lost.erase(list.lost.begin(), list.lost.end() - static_cast<std::ptrdiff_t>(kLostMax));
    std::string text = encode_drive_list(list);
    if (text == stored_) co_return Result<void>{};
    const std::size_t slash = list_path_.rfind('/');
    if (slash != std::string::npos) {
      PREDA_CO_CHECK(co_await env_.files.create_directories(list_path_.substr(0, slash)));
    }
    co_return co_await write_file_durably(env_.files, list_path_, Buffer::take(std::move(text)));
  }

  Environment env_;
  ClusterId cluster_;
  NodeId node_;
  std::string list_path_;
  bool has_list_ = false;  // there is one, even if it cannot be understood
  std::string stored_;
  DriveList known_;
  std::vector<Seen> seen_;
  DriveClaim claim_;
};

}  // namespace

Task<Result<DriveClaim>> claim_drives(Environment env, ClusterId cluster, NodeId node,
                                      std::string list_path, std::vector<DrivePlace> places) {
  Claim claim{env, cluster, node, std::move(list_path)};
  co_return co_await claim.run(std::move(places));
}

}  // namespace predastore::shard
