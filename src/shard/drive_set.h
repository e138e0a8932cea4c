#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "env/environment.h"
#include "env/sync.h"
#include "shard/drive_identity.h"
#include "shard/local_shards.h"
#include "shard/shard_store.h"

namespace predastore::shard {

// A drive with this many input/output errors within the window is taken out until a restart.
inline constexpr std::size_t kDriveErrorsMax = 8;
inline constexpr Duration kDriveErrorWindow = 10 * 60s;
// How often the file systems are asked what room there is.
inline constexpr Duration kSpaceInterval = 5s;
// A drive whose index failed is opened again, with the index made anew, but once within so long.
inline constexpr Duration kReopenInterval = 10 * 60s;

enum class DriveState : std::uint8_t {
  ok,
  near_full,   // above the low watermark: new shards go elsewhere if they can
  full,        // above the high one: takes no new shards
  failed,      // taken out, or could not be opened: nothing works
  rebuilding,  // being opened, its index made again from the files: nothing works yet
};
inline constexpr std::size_t kDriveStateCount = 5;
std::string_view name_of(DriveState state);

// One drive of a node, as its status shows it.
struct DriveInfo {
  DriveId id;         // zero: never known
  std::string place;  // as it is configured
  DriveState state = DriveState::ok;
  std::string problem;           // why it failed
  bool is_unreconciled = false;  // see KnownDrive
  // It failed, and nobody waits for it: what it held counts as lost until it is opened again.
  bool is_given_up = false;
  RebuildProgress rebuild;  // while it is rebuilding
  // The highest durable sequence when it was opened, before anything was written.
  std::uint64_t opened_sequence = 0;
  DriveStatus status;  // zeros when it was not opened
};

// Nothing that the metadata places on the node is missing because of it: it takes part with all
// that it should have, or it was given up and what it held was looked for since.
inline bool is_accounted_for(const DriveInfo& drive) {
  const bool is_working =
      drive.state != DriveState::failed && drive.state != DriveState::rebuilding;
  return (is_working || drive.is_given_up) && !drive.is_unreconciled;
}

struct DrivePart {
  DrivePlace at;
  std::uint64_t capacity_bytes = 0;  // 0: what the file system has
};

struct DriveSetOptions {
  std::string list_path;  // the file of the drives that the node knows
  std::vector<DrivePart> drives;
  // What all have in common; directory, drive and capacity are set for each, and the budgets are
  // those of the node: every drive gets its part.
  ShardStoreOptions store;
  std::function<void(const DriveInfo&)> on_failed;  // on the loop, when one is taken out
  // How long one that failed is waited for while others of the node take part; then it is given up.
  Duration give_up_after = 30s;
};

// All drives of a node, which is what others see of them (docs/drives.md). Used on the loop of
// `env` only. close() before destruction; a ShardWriter may outlive the set and then fails.
//
// Placement. A new shard goes to the first drive, in the order of a rendezvous hash of its key
// weighted by capacity, that is below its low watermark, else to the first that takes it. Where a
// shard is, is not recorded anywhere but on the drive: whoever looks asks the drives in the same
// order. A key may be on several of them when a later generation had to go elsewhere: a commit
// refuses what is older than any of them holds, and then removes what it replaces from the others;
// after a crash between the two the higher generation counts.
//
// Failures. A drive that is out of order is asked whether its index has a shard; if it has, or
// cannot tell, what would be NotFound is Unavailable. After `give_up_after` it is given up, unless
// it is the last: what it held is NotFound from then on, so that it is made again on the others.
// Order of writes: the list says that it is to be reconciled should it come back, then it is so.
// One whose index failed is opened again first, which makes the index anew.
class DriveSet final : public LocalShards {
 public:
  // Claims the drives (see claim_drives) and opens them. One that cannot be opened is out of order
  // and the node goes on without it; one whose index has to be made again (which may take long)
  // goes on being opened after this has returned. Refuses when none can, or when one must not be
  // touched: InvalidArgument for a foreign, swapped or doubled one, Unsupported for unknown
  // formats.
  static Task<Result<std::unique_ptr<DriveSet>>> open(Environment env, DriveSetOptions options);
  ~DriveSet() override;
  DriveSet(const DriveSet&) = delete;
  DriveSet& operator=(const DriveSet&) = delete;

  Task<Result<std::unique_ptr<ShardWriter>>> begin(ShardKey key, ShardStamp stamp,
                                                   Instant deadline) override;
  Task<Result<std::vector<Segment>>> fetch(ShardKey key, WriteId write_id, SegmentIndex first,
                                           std::uint16_t count, Instant deadline) override;
  Task<Result<Records>> fetch_records(ShardKey key, WriteId write_id, SegmentIndex first,
                                      std::uint16_t count, Instant deadline) override;
  // Of the highest generation that can be seen.
  Task<Result<ShardInfo>> stat(ShardKey key, Instant deadline) override;
  // From every drive. Unavailable when one that is out of order may hold one of them; those on
  // the others are removed all the same.
  Task<Result<void>> remove(std::vector<ShardRemoval> removals, Instant deadline) override;
  Task<Result<std::vector<ShardInfo>>> inventory(std::optional<ShardKey> after,
                                                 std::size_t count_max) override;
  // Reads and checks every segment of a shard.
  Task<Result<void>> verify(ShardKey key, Instant deadline);

  std::vector<DriveInfo> drives() const;
  // Sums over the drives; available when at least one is, near full or full when all that are
  // available are; the sequence is the highest.
  DriveStatus status() const;
  // The store of the drive at this place of the configuration; null when it was not opened.
  ShardStore* store(std::size_t index);
  // Returns when no drive is being opened.
  Task<void> wait_until_opened();
  // All drives take part or are given up: what is not in the inventory is not there.
  bool is_whole() const;
  // On the loop, after one was opened or given up later than open(); may be empty.
  std::function<void()> on_change;

  // Drives that were made new in the place of lost ones, came back, or were given up: the shards
  // that the metadata places on this node need not be there. Whoever has compared them says so,
  // with the ids that he had asked for before he began; durable when it returns. One that is given
  // up stays in the list as it is: it is to be reconciled again when it comes back.
  std::vector<DriveId> unreconciled() const;
  Task<Result<void>> mark_reconciled(std::vector<DriveId> drives);

  Task<Result<void>> close();

 private:
  struct Drive;
  class PlacedWriter;
  DriveSet(Environment env, DriveSetOptions options);
  Task<Result<void>> open_all();
  Result<void> check_opened() const;
  ShardStoreOptions store_options(Drive& drive);
  Task<void> open_drive(Drive* drive);
  Task<void> reopen(Drive* drive);
  bool may_reopen(const Drive& drive) const;
  bool may_give_up(const Drive& drive) const;
  Task<Result<void>> give_up(Drive* drive);
  Task<Result<void>> set_listed(std::vector<DriveId> drives, bool is_unreconciled);
  Task<void> look_after(Drive* drive);
  void note_error(Drive& drive, DriveErrorKind kind, const Error& error);
  void note_failure(Drive& drive);
  Task<void> watch_space();

  std::vector<Drive*> order_of(const ShardKey& key) const;
  DriveState state_of(const Drive& drive) const;
  bool takes_part(const Drive& drive) const;
  Task<bool> may_hold(Drive* drive, ShardKey key);
  Task<Error> not_found(ShardKey key, std::string detail);
  Task<Result<WriteId>> newest_of(ShardKey key, Instant deadline);
  Task<Result<void>> commit(Drive* drive, ShardKey key, ShardStamp stamp, ShardWriter* writer,
                            Instant deadline);
  Task<void> remove_from(Drive* drive, std::vector<ShardRemoval> removals, Instant deadline,
                         Result<void>* outcome);

  Environment env_;
  DriveSetOptions options_;
  std::vector<std::unique_ptr<Drive>> drives_;  // as they are configured
  DriveList list_;
  Semaphore list_lock_;
  std::set<ShardKey> committing_;
  Signal committed_;
  TaskGroup tasks_;
  Signal changed_;  // a drive failed, was opened, or is further; or all of it ends
  Signal idle_;
  std::size_t in_flight_ = 0;
  bool closed_ = false;
  // Writers outlive the set; this tells them.
  std::shared_ptr<DriveSet*> self_;
};

}  // namespace predastore::shard
