#include "meta/state/applier.h"

#include <google/protobuf/arena.h>

#include <algorithm>

namespace predastore::meta {
namespace {

Error unknown(const std::string& what) {
  return make_error(ErrorCode::Unsupported, what + ", which this build does not know");
}

// Names what is not known in an entry whose version is.
std::string unknown_in(std::string_view bytes) {
  pb::Entry entry;
  (void)entry.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  for (const pb::Proposal& proposal : entry.proposals()) {
    const pb::Command& command = proposal.command();
    const auto& fields = command.GetReflection()->GetUnknownFields(command);
    if (command.body_case() == pb::Command::BODY_NOT_SET && !fields.empty())
      return "a kind of command (" + std::to_string(fields.field(0).number()) + ")";
  }
  return "an entry with fields";
}

}  // namespace

Result<std::string> Applier::apply(std::string_view bytes) {
  google::protobuf::Arena arena;  // many small messages come and go at once
  pb::Entry& entry = *google::protobuf::Arena::CreateMessage<pb::Entry>(&arena);
  if (!entry.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return make_error(ErrorCode::Corruption, "an entry of the metadata log cannot be read");
  if (entry.version() != kEntryVersion)
    return unknown("an entry of version " + std::to_string(entry.version()));
  // A field that is passed over would make another state here than where it is known.
  entry.DiscardUnknownFields();
  if (entry.ByteSizeLong() != bytes.size()) return unknown(unknown_in(bytes));
  time_ms_ = entry.time_ms();
  pb::EntryAnswer answers;
  for (const pb::Proposal& proposal : entry.proposals()) {
    *answers.add_answers() = apply_proposal(proposal);
    if (is_unknown_)
      return unknown("a command of version " + std::to_string(proposal.command().version()));
    if (state_.view().failure()) return *state_.view().failure();
  }
  return answers.SerializeAsString();
}

pb::Answer Applier::apply_proposal(const pb::Proposal& proposal) {
  const pb::Command& command = proposal.command();
  pb::Answer answer;
  if (command.version() != kCommandVersion || command.body_case() == pb::Command::BODY_NOT_SET) {
    is_unknown_ = true;
    return answer;
  }
  // These compare what they change, so that a repeat does no harm.
  const bool needs_no_session = command.has_initialise() || command.has_open_session() ||
                                command.has_tick() || command.has_recover() ||
                                command.has_set_voters();
  if (system_.cluster_id().empty() && !command.has_initialise()) {
    set_error(answer, make_error(ErrorCode::Unavailable, "the cluster is not initialised"));
    return answer;
  }
  if (needs_no_session) return apply_command(command);
  return apply_in_session(proposal);
}

// Executes a number at most once. Whoever asks again gets the answer that was kept; who asks for
// what is no longer known gets an error and must not propose it anew.
pb::Answer Applier::apply_in_session(const pb::Proposal& proposal) {
  pb::Answer answer;
  StateView& view = state_.view();
  const std::string key = keys::session(proposal.session());
  auto session = view.get_record<pb::Session>(kSessions, key);
  if (!session) {
    set_error(answer, make_error(ErrorCode::Internal, "the session is unknown or has expired"));
    answer.set_session_lost(true);
    return answer;
  }
  const std::uint64_t number = proposal.number();
  const std::uint64_t before = session->acknowledged();
  if (number <= before || proposal.acknowledged() >= number || number - before > kOpenNumbersMax) {
    set_error(answer, make_error(ErrorCode::Internal, "a proposal out of its session's window"));
    return answer;
  }
  const std::string answer_key = keys::session_answer(proposal.session(), number);
  if (const auto kept = view.get(kSessions, answer_key)) {
    if (!answer.ParseFromString(*kept))
      view.fail(make_error(ErrorCode::Corruption, "a kept answer cannot be read"));
    return answer;
  }
  answer = apply_command(proposal.command());
  const std::uint64_t acknowledged = std::max(before, proposal.acknowledged());
  for (std::uint64_t done = before + 1; done <= acknowledged; ++done)
    view.erase(kSessions, keys::session_answer(proposal.session(), done));
  session->set_acknowledged(acknowledged);
  session->set_last_epoch(system_.write_epoch());
  view.put(kSessions, key, encode_record(*std::move(session)));
  view.put(kSessions, answer_key, answer.SerializeAsString());
  return answer;
}

pb::Answer Applier::apply_command(const pb::Command& command) {
  StateView& view = state_.view();
  view.mark();
  const pb::System before = system_;
  Refusable result = execute(command);
  if (result) return *std::move(result);
  view.roll_back();
  system_ = before;
  pb::Answer answer;
  set_error(answer, result.error());
  return answer;
}

Applier::Refusable Applier::execute(const pb::Command& command) {
  switch (command.body_case()) {
    case pb::Command::kInitialise: return initialise(command.initialise());
    case pb::Command::kOpenSession: return open_session();
    case pb::Command::kKeepAlive: return pb::Answer{};
    case pb::Command::kTick: return tick(command.tick());
    case pb::Command::kCreateBucket: return create_bucket(command.create_bucket());
    case pb::Command::kDeleteBucket: return delete_bucket(command.delete_bucket());
    case pb::Command::kPutObject: return put_object(command.put_object());
    case pb::Command::kDeleteObjects: return delete_objects(command.delete_objects());
    case pb::Command::kCreateUpload: return create_upload(command.create_upload());
    case pb::Command::kPutPart: return put_part(command.put_part());
    case pb::Command::kCompleteUpload: return complete_upload(command.complete_upload());
    case pb::Command::kAbortUpload: return abort_upload(command.abort_upload());
    case pb::Command::kReportDamage: return report_damage(command.report_damage());
    case pb::Command::kSwapLayout: return swap_layout(command.swap_layout());
    case pb::Command::kGarbageDone: return garbage_done(command.garbage_done());
    case pb::Command::kPutSetting: return put_setting(command.put_setting());
    case pb::Command::kSetTagging: return set_tagging(command.set_tagging());
    case pb::Command::kSetBucketOptions: return set_bucket_options(command.set_bucket_options());
    case pb::Command::kSetClusterOptions: return set_cluster_options(command.set_cluster_options());
    case pb::Command::kReportDrives: return report_drives(command.report_drives());
    case pb::Command::kChangeSetting: return change_setting(command.change_setting());
    case pb::Command::kRenameObject: return rename_object(command.rename_object());
    case pb::Command::kStartJob: return start_job(command.start_job());
    case pb::Command::kClaimJob: return claim_job(command.claim_job());
    case pb::Command::kReportJob: return report_job(command.report_job());
    case pb::Command::kSetJobState: return set_job_state(command.set_job_state());
    case pb::Command::kPutNode: return put_node(command.put_node());
    case pb::Command::kSetNodeState: return set_node_state(command.set_node_state());
    case pb::Command::kNewRing: return new_ring(command.new_ring());
    case pb::Command::kDropRing: return drop_ring(command.drop_ring());
    case pb::Command::kMoveParts: return move_parts(command.move_parts());
    case pb::Command::kSetVoters: return set_voters(command.set_voters());
    case pb::Command::kRecover:
      system_.set_is_sweep_off(true);  // until an operator switches it on
      return pb::Answer{};
    case pb::Command::BODY_NOT_SET: break;
  }
  is_unknown_ = true;
  return pb::Answer{};
}

Result<BucketRecord> Applier::find_bucket(const std::string& name) {
  auto bucket = state_.find_bucket(name);
  if (!bucket) return make_error(ErrorCode::NotFound, kNoBucket);
  return *std::move(bucket);
}

// A bucket of the same name that was made later is another one.
Result<BucketRecord> Applier::find_bucket(const std::string& name, Incarnation incarnation) {
  PREDA_TRY(BucketRecord bucket, find_bucket(name));
  if (bucket.incarnation != incarnation) return make_error(ErrorCode::NotFound, kNoBucket);
  return bucket;
}

}  // namespace predastore::meta
