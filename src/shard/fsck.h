#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "env/environment.h"
#include "shard/drive_identity.h"
#include "shard/shard_file.h"
#include "shard/shard_store.h"

namespace predastore::shard {

struct FsckOptions {
  std::string directory;  // of the drive: directory/shards, directory/kv
  OpenIndex open_index;
  bool direct_io = true;
  bool repair_index = false;  // write it anew from the files
};

struct FsckReport {
  std::uint64_t file_count = 0;
  std::uint64_t record_count = 0;
  std::uint64_t shard_count = 0;  // that the files hold
  std::uint64_t used_bytes = 0;
  std::uint64_t live_bytes = 0;
  std::vector<std::string> problems;  // one line each
  std::vector<std::string> notes;     // what the next start puts right by itself
  bool is_index_repaired = false;
  std::optional<DriveId> drive;  // whose files they are; none without any
};

// Checks one drive that no process has open: every file, every record of it, the index of every
// file against its records, and the drive's index against what the files say. Changes nothing
// unless repair_index is set. Errors: the directory or the index cannot be opened at all.
Task<Result<FsckReport>> check_drive(Environment env, FsckOptions options);

// What is wrong with who the drives of a node say they are: each drive's identity against its files
// (`reports`, as check_drive gave them) and the node's list. One line each, of `places` in order.
struct PlacedReport {
  DrivePlace at;
  std::optional<DriveId> drive;  // of its files
};
Task<Result<std::vector<std::string>>> check_identities(Environment env, std::string list_path,
                                                        std::vector<PlacedReport> reports);

// A shard file in readable form: header, records, footer; what is damaged is said in its place.
Task<Result<std::string>> describe_file(Environment env, std::string path);

}  // namespace predastore::shard
