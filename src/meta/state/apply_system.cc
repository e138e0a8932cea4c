#include "base/codec.h"
#include "meta/state/applier.h"
#include "model/limits.h"

namespace predastore::meta {
namespace {

constexpr std::size_t kSettingNameMaxBytes = 1024;
constexpr std::size_t kSettingValueMaxBytes = 64 * 1024;
constexpr std::size_t kExpiredPerTick = 1000;
constexpr std::size_t kAbortedPerTick = 4096;  // uploads and their parts

Result<void> check_limits(const pb::Limits& limits) {
  if (limits.write_epochs() == 0 || limits.session_epochs() == 0 || limits.sessions_max() == 0)
    return make_error(ErrorCode::InvalidArgument, "a limit is zero");
  if (limits.inline_max_bytes() > kInlineMaxBytes)
    return make_error(ErrorCode::InvalidArgument, "more than may lie with the metadata");
  return {};
}

}  // namespace

Applier::Refusable Applier::initialise(const pb::Initialise& command) {
  if (!system_.cluster_id().empty())
    return make_error(ErrorCode::AlreadyExists, "the cluster is initialised");
  if (command.cluster_id().size() != sizeof(ClusterId) || command.nodes().empty() ||
      command.ring().epoch() != 1)
    return make_error(ErrorCode::InvalidArgument, "what initialises the cluster is not whole");
  PREDA_CHECK(check_limits(command.limits()));
  PREDA_TRY(const RingRecord ring, from_message(command.ring()));
  PREDA_CHECK(ring::Ring::make(ring));
  StateView& view = state_.view();
  for (const pb::Node& node : command.nodes())
    view.put(kTopology, keys::node(NodeId{node.node()}), encode_record(node));
  view.put(kTopology, keys::ring(ring.epoch), encode_record(to_message(ring)));
  system_.set_cluster_id(command.cluster_id());
  system_.set_write_epoch(1);
  system_.set_ring_epoch(ring.epoch.value());
  system_.set_next_garbage_id(1);
  system_.set_next_session_id(1);
  *system_.mutable_limits() = command.limits();
  return pb::Answer{};
}

// Ids are counted, never chosen: a session that expired cannot come back to life by a late repeat.
Applier::Refusable Applier::open_session() {
  if (system_.session_count() >= system_.limits().sessions_max())
    return make_error(ErrorCode::Unavailable, "too many sessions");
  const std::uint64_t id = system_.next_session_id();
  system_.set_next_session_id(id + 1);
  system_.set_session_count(system_.session_count() + 1);
  pb::Session session;
  session.set_last_epoch(system_.write_epoch());
  state_.view().put(kSessions, keys::session(id), encode_record(std::move(session)));
  pb::Answer answer;
  answer.set_session(id);
  return answer;
}

Applier::Refusable Applier::tick(const pb::Tick& command) {
  if (command.from() != system_.write_epoch())
    return make_error(ErrorCode::Conflict, "the write epoch has moved on");
  system_.set_write_epoch(system_.write_epoch() + 1);
  expire_sessions();
  expire_completed_uploads();
  abort_uploads_of_deleted_buckets();
  return pb::Answer{};
}

void Applier::expire_sessions() {
  StateView& view = state_.view();
  std::vector<std::string> expired;
  std::uint64_t count = 0;
  {
    Cursor cursor{view, kSessions};
    cursor.seek({});
    while (cursor.valid()) {
      const std::string prefix{cursor.key()};
      const auto session = view.decode<pb::Session>(cursor.value());
      if (!session) return;
      const bool is_expired =
          system_.write_epoch() - session->last_epoch() > system_.limits().session_epochs();
      if (!is_expired) {
        cursor.seek(keys::after_prefix(prefix));
        continue;
      }
      ++count;
      for (; cursor.valid_within(prefix); cursor.next()) expired.emplace_back(cursor.key());
    }
  }
  for (std::string& key : expired) view.erase(kSessions, std::move(key));
  system_.set_session_count(system_.session_count() - count);
}

// A repeat of Complete is recognised for as long as a commit of that time would be accepted.
void Applier::expire_completed_uploads() {
  if (system_.write_epoch() <= system_.limits().write_epochs()) return;
  StateView& view = state_.view();
  const WriteEpoch oldest_kept{system_.write_epoch() - system_.limits().write_epochs()};
  const std::string end = keys::completed_expiry(oldest_kept, {});
  const std::size_t head_size = end.size();
  std::vector<std::string> expired;
  {
    Cursor cursor{view, kCompleted};
    for (cursor.seek("t"); cursor.valid() && cursor.key() < end; cursor.next()) {
      if (expired.size() == kExpiredPerTick) break;
      expired.emplace_back(cursor.key());
    }
  }
  for (std::string& key : expired) {
    view.erase(kCompleted, key.substr(head_size));
    view.erase(kCompleted, std::move(key));
  }
}

Applier::Refusable Applier::create_bucket(const pb::CreateBucket& command) {
  PREDA_TRY(BucketRecord bucket, from_message(command.bucket()));
  if (bucket.name.empty() || bucket.incarnation.value() == 0)
    return make_error(ErrorCode::InvalidArgument, "a bucket without a name or incarnation");
  if (bucket.rs.data_shards == 0 || bucket.rs.data_shards > kDataShardsMax ||
      bucket.rs.parity_shards > kParityShardsMax)
    return make_error(ErrorCode::InvalidArgument, "the RS scheme of a bucket");
  if (state_.find_bucket(bucket.name)) return make_error(ErrorCode::AlreadyExists, kNoBucket);
  bucket.created_ms = time_ms_;
  state_.put_bucket(bucket);
  pb::Answer answer;
  *answer.mutable_bucket() = to_message(bucket);
  return answer;
}

Applier::Refusable Applier::delete_bucket(const pb::DeleteBucket& command) {
  PREDA_TRY(const BucketRecord bucket, find_bucket(command.bucket()));
  if (state_.has_objects(bucket.incarnation))
    return make_error(ErrorCode::Conflict, "the bucket holds objects");
  // As AWS has it, uploads under way do not keep a bucket. There may be many: ticks abort them.
  if (state_.has_uploads(bucket.incarnation))
    state_.view().put(kTopology, keys::deleted_bucket(bucket.incarnation), {});
  state_.erase_bucket(bucket.name);
  return pb::Answer{};
}

void Applier::abort_uploads_of_deleted_buckets() {
  StateView& view = state_.view();
  std::vector<Incarnation> deleted;
  {
    Cursor cursor{view, kTopology};
    for (cursor.seek("d"); cursor.valid_within("d") && deleted.size() < kAbortedPerTick;
         cursor.next()) {
      Decoder key{as_bytes(cursor.key().substr(1))};
      deleted.emplace_back(key.be<std::uint64_t>());
    }
  }
  std::size_t aborted = 0;
  for (const Incarnation incarnation : deleted) {
    while (aborted < kAbortedPerTick) {
      const auto upload = state_.first_upload(incarnation);
      if (!upload) break;
      aborted += 1 + erase_upload(*upload);
    }
    if (aborted >= kAbortedPerTick || view.failure()) return;
    view.erase(kTopology, keys::deleted_bucket(incarnation));
  }
}

Applier::Refusable Applier::put_setting(const pb::PutSetting& command) {
  if (command.name().empty() || command.name().size() > kSettingNameMaxBytes ||
      command.value().size() > kSettingValueMaxBytes)
    return make_error(ErrorCode::InvalidArgument, "name or value of a setting");
  state_.view().put(kTopology, keys::setting(command.name()), command.value());
  return pb::Answer{};
}

Applier::Refusable Applier::change_setting(const pb::ChangeSetting& command) {
  if (command.name().empty() || command.name().size() > kSettingNameMaxBytes ||
      command.value().size() > kSettingValueMaxBytes)
    return make_error(ErrorCode::InvalidArgument, "name or value of a setting");
  const auto current = state_.view().get(kTopology, keys::setting(command.name()));
  const bool is_expected =
      command.has_expected() ? current && *current == command.expected() : !current.has_value();
  if (!is_expected) return make_error(ErrorCode::Conflict, "the setting is not what was expected");
  if (command.has_value())
    state_.view().put(kTopology, keys::setting(command.name()), command.value());
  else
    state_.view().erase(kTopology, keys::setting(command.name()));
  return pb::Answer{};
}

}  // namespace predastore::meta
