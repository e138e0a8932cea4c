#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "meta/state/state.h"

namespace predastore::meta {

// The rules: what each command does to the state and what it answers. Reads nothing but the state,
// the command and the time that the leader put into the entry, so that every replica comes to the
// same. One thread.
class Applier {
 public:
  explicit Applier(State& state) : state_(state), system_(state.system()) {}

  // Serialised EntryAnswer. An error stops the replica: an entry that this build does not know, or
  // a failure of the view. Refusals are answers.
  Result<std::string> apply(std::string_view entry);
  pb::System& system() { return system_; }

 private:
  using Refusable = Result<pb::Answer>;  // an Error is a refusal: nothing was changed

  // state/applier.cc
  pb::Answer apply_proposal(const pb::Proposal& proposal);
  pb::Answer apply_in_session(const pb::Proposal& proposal);
  pb::Answer apply_command(const pb::Command& command);
  Refusable execute(const pb::Command& command);

  // state/apply_system.cc
  Refusable initialise(const pb::Initialise& command);
  Refusable open_session();
  Refusable tick(const pb::Tick& command);
  void expire_sessions();
  void expire_completed_uploads();
  Refusable create_bucket(const pb::CreateBucket& command);
  Refusable delete_bucket(const pb::DeleteBucket& command);
  void abort_uploads_of_deleted_buckets();
  Refusable put_setting(const pb::PutSetting& command);
  Refusable change_setting(const pb::ChangeSetting& command);

  // state/apply_options.cc
  Refusable set_bucket_options(const pb::SetBucketOptions& command);
  Refusable set_cluster_options(const pb::SetClusterOptions& command);
  Refusable report_drives(const pb::ReportDrives& command);
  void forget_oldest_drives(NodeId node);

  // state/apply_objects.cc
  Refusable put_object(const pb::PutObject& command);
  Refusable delete_objects(const pb::DeleteObjects& command);
  Refusable set_tagging(const pb::SetTagging& command);
  Refusable rename_object(const pb::RenameObject& command);
  Result<void> check_inline(const ObjectRecord& record, const std::string& bytes);
  // Replaces what the key names (checked by the precondition), releasing its ids to garbage.
  Refusable store_object(const std::string& key, ObjectRecord record,
                         const Precondition& precondition);

  // state/apply_uploads.cc
  Refusable create_upload(const pb::CreateUpload& command);
  Refusable put_part(const pb::PutPart& command);
  Refusable complete_upload(const pb::CompleteUpload& command);
  Refusable repeat_completed(const pb::CompleteUpload& command, const BucketRecord& bucket);
  Result<ObjectRecord> assemble(const pb::CompleteUpload& command, const UploadRecord& upload);
  Refusable abort_upload(const pb::AbortUpload& command);
  std::size_t erase_upload(const UploadRecord& upload);  // how many parts it had

  // state/apply_jobs.cc
  Refusable start_job(const pb::StartJob& command);
  Refusable claim_job(const pb::ClaimJob& command);
  Refusable report_job(const pb::ReportJob& command);
  Refusable set_job_state(const pb::SetJobState& command);
  Refusable store_job(JobRecord job);
  Refusable move_parts(const pb::MoveParts& command);

  // state/apply_topology.cc
  Refusable put_node(const pb::PutNode& command);
  Refusable set_node_state(const pb::SetNodeState& command);
  Refusable set_voters(const pb::SetVoters& command);
  Refusable new_ring(const pb::NewRing& command);
  Refusable drop_ring(const pb::DropRing& command);
  Result<void> check_ring(const RingRecord& record);
  Result<void> check_ring_epoch(RingEpoch epoch);
  bool is_closed(NodeId node) const;
  void open_places(ChunkLayout& layout);
  void count_layout(const ChunkLayout& layout, bool is_added);

  // state/apply_chunks.cc
  Refusable report_damage(const pb::ReportDamage& command);
  Refusable swap_layout(const pb::SwapLayout& command);
  Refusable garbage_done(const pb::GarbageDone& command);
  Result<void> check_write_epoch(std::uint64_t epoch) const;
  // The layouts of `parts`, one after the other: whole, new, written under `epoch`, and durable
  // enough.
  Result<std::vector<ChunkLayout>> new_layouts(
      const std::vector<ObjectPart>& parts,
      const google::protobuf::RepeatedPtrField<pb::Layout>& messages, std::uint64_t epoch);
  Result<void> check_layout(const ChunkLayout& layout, std::uint64_t epoch);
  void put_new_layouts(const std::vector<ChunkLayout>& layouts);
  void update_repair(const ChunkLayout& layout, std::vector<std::uint32_t> damaged_roles);
  void erase_repair(const std::string& chunk_key);
  void add_garbage(pb::GarbageEntry entry);
  void release(const std::vector<ObjectPart>& parts);
  void release_replaced(const ChunkLayout& before, const ChunkLayout& after);

  Result<BucketRecord> find_bucket(const std::string& name);
  Result<BucketRecord> find_bucket(const std::string& name, Incarnation incarnation);

  State& state_;
  pb::System system_;
  std::int64_t time_ms_ = 0;
  bool is_unknown_ = false;  // a command that this build does not know was met
};

// Which details the errors of a refusal carry; meta_service.h promises them.
inline constexpr const char* kNoBucket = "bucket";
inline constexpr const char* kNoKey = "key";
inline constexpr const char* kNoUpload = "upload";
inline constexpr const char* kNoPart = "part";
inline constexpr const char* kClientToken = "client token";
inline constexpr const char* kPartOrder = "part order";
inline constexpr const char* kNoNode = "node";
inline constexpr const char* kNoJob = "job";
inline constexpr const char* kPartTooSmall = "part too small";

inline constexpr std::uint32_t kEntryVersion = 1;
inline constexpr std::uint32_t kCommandVersion = 1;
// A proposer may have so many numbers open above what it acknowledged.
inline constexpr std::uint64_t kOpenNumbersMax = 65536;
inline constexpr std::uint32_t kChunksPerPartMax = 1u << 16;
inline constexpr std::size_t kGarbageStep = 4096;  // layouts of one garbage entry at a time

}  // namespace predastore::meta
