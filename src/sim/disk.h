#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "env/file.h"
#include "kv/memory_store.h"
#include "sim/scheduler.h"

namespace predastore::sim {

enum class DiskOperation : std::uint8_t {
  open,
  create,
  read,
  write,
  sync,
  truncate,
  rename,
  remove,
  sync_directory
};

// What a disk does wrong, each with a probability an operation. All off by default; may be changed
// at any time.
struct DiskFaults {
  double read_error = 0;         // EIO
  double write_error = 0;        // EIO, with a part of the bytes written or none
  double sync_error = 0;         // and what was to be synced is lost, as Linux does it
  double bit_flip = 0;           // of a read: what is at rest changes
  double misdirected_write = 0;  // 4 KiB-aligned, elsewhere in the same file
  double lying_sync = 0;         // says it is done, and nothing is: what no promise survives
  double slow = 0;               // an operation takes slow_delay
  Duration slow_delay = 500ms;
  // Only these files are damaged (bit_flip, misdirected_write); empty: all.
  std::function<bool(const std::string& path)> may_damage;
};

struct DiskOptions {
  Duration latency_min = 20us;
  Duration latency_max = 400us;
  std::uint64_t capacity_bytes = 1ULL << 40;
};

// What one machine has stored: outlives the processes that use it. Every file and directory has a
// state that is durable and one that is only in memory; a crash keeps a part of the difference:
// nothing, all, a prefix, or any blocks of 512 bytes or 4 KiB of the writes and any of the names,
// as the seed has it. Key-value stores live in it as directories (SimKv).
class SimDisk {
 public:
  SimDisk(Scheduler& scheduler, std::uint64_t seed, DiskOptions options = {});
  ~SimDisk();
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  // The file system as the process that is started now sees it; the one before is dead: every
  // operation of it fails and changes nothing. Outlived by the disk and the clock.
  std::unique_ptr<FileSystem> mount(Clock& clock);
  // Only the process ends: what was written is still in the page cache, and a write under way is
  // torn.
  void kill_process();
  // The machine ends: what was not synced is kept in part.
  void lose_power();
  // A new, empty drive.
  void wipe();
  // A directory with all that is in it; no process runs.
  void wipe(const std::string& path);
  std::uint64_t incarnation() const { return incarnation_; }

  DiskOptions options;
  DiskFaults faults;
  // Called at the beginning of every operation; an error is what the operation then returns.
  std::function<Result<void>(DiskOperation operation, const std::string& path)> hook;

  // Damage of what is at rest, by a test. False when there is no such file or byte.
  bool flip_bit(const std::string& path, std::uint64_t offset_bytes);
  // Paths of all files, in order.
  std::vector<std::string> file_paths() const;
  std::uint64_t used_bytes() const;
  std::uint64_t operation_count() const { return operation_count_; }
  std::uint64_t damage_count() const { return damage_count_; }  // bits flipped, writes misdirected

  // The key-value store in a directory: made when it is not there, gone with the directory. The
  // names of its directory are durable at once.
  // One that was copied is read from its file. Corruption: that is damaged.
  Result<std::shared_ptr<kv::MemoryDisk>> key_value_disk(const std::string& path,
                                                         std::size_t family_count);
  // A copy of one in a directory that is made, as one durable file.
  Result<void> copy_key_value(const kv::MemoryDisk& from, const std::string& path);

  struct Inode;
  struct NameChange;

 private:
  friend class SimFile;
  friend class SimFileSystem;

  std::shared_ptr<Inode> find(const std::string& path) const;
  std::shared_ptr<Inode> make_directories(const std::string& path, bool durably);
  void change_names(std::shared_ptr<NameChange> change);
  void make_durable(const std::shared_ptr<Inode>& directory);
  // Only of these changes, in their order.
  void make_durable(const std::shared_ptr<Inode>& directory,
                    const std::vector<std::shared_ptr<NameChange>>& changes);
  void crash_names();
  void crash_contents(Inode& inode, bool only_in_flight);
  Result<void> begin(DiskOperation operation, const std::string& path, std::uint64_t incarnation);
  Instant draw_completion();
  Result<void> alive(std::uint64_t incarnation) const;

  Scheduler& scheduler_;
  SimRandom random_;
  std::shared_ptr<Inode> root_;
  std::list<std::shared_ptr<NameChange>> name_changes_;  // that are not durable, in order
  std::uint64_t incarnation_ = 0;
  std::uint64_t operation_count_ = 0;
  std::uint64_t damage_count_ = 0;
};

}  // namespace predastore::sim
