#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "env/environment.h"
#include "model/ids.h"

namespace predastore::shard {

// At most this many drives a node, so that each has its part of the node's memory.
inline constexpr std::size_t kDrivesMax = 32;

// What a drive says of itself, in `drive.id` in its directory: docs/formats/drive_identity.md.
struct DriveIdentity {
  ClusterId cluster;
  NodeId node;
  DriveId drive;
  std::string place;  // where it was when it was made; for people
};
std::string encode_drive_identity(const DriveIdentity& identity);
// Corruption; Unsupported when it is of a version that is not known. The form of the first version,
// the id alone, gives a zero cluster and node.
Result<DriveIdentity> decode_drive_identity(std::string_view text);

// What a node knows of its drives, in `drives.list` in its data directory.
struct KnownDrive {
  DriveId id;
  std::string place;
  // Made new in the place of another, or come back after it was given up: what the metadata says
  // is on it need not be there.
  bool is_unreconciled = false;
};
struct DriveList {
  ClusterId cluster;
  NodeId node;
  std::vector<KnownDrive> drives;
  std::vector<KnownDrive> lost;  // given up; the latest last
};
std::string encode_drive_list(const DriveList& list);
Result<DriveList> decode_drive_list(std::string_view text);  // Corruption, Unsupported

struct DrivePlace {
  std::string directory;
  // How the list calls it: the path as it is configured. It must be the same at every start.
  std::string place;
};

// One drive as it was found at start.
struct ClaimedDrive {
  DriveId id;
  DrivePlace at;
  bool is_unreconciled = false;
  // Why it does not take part (its directory cannot be read or made); empty when it does.
  std::string problem;
};

struct DriveClaim {
  std::vector<ClaimedDrive> drives;  // in the order of the places
  DriveList list;                    // as it was stored
};

// Says which drive is in which place, makes new ones where there is none, and stores what is known.
// Order of writes: identities of new drives, then the list; only then may anything be stored on
// them. Refuses (InvalidArgument, with what to do) a drive of another cluster or node, one that
// belongs to another of the places, and one that is there twice. A drive that is known and gone is
// given up, whatever is there in its place is a new one that is to be reconciled.
Task<Result<DriveClaim>> claim_drives(Environment env, ClusterId cluster, NodeId node,
                                      std::string list_path, std::vector<DrivePlace> places);

}  // namespace predastore::shard
