#include "meta/replicated_meta_service.h"

#include <google/protobuf/arena.h>

#include <algorithm>

#include "base/codec.h"
#include "base/text.h"
#include "meta/duties.h"
#include "meta/growth_service.h"
#include "meta/query_client.h"
#include "meta/state/applier.h"
#include "meta/upkeep_calls.h"

namespace predastore::meta {
namespace {

ProposerOptions proposer_options(const MetaOptions& options) {
  return {options.self, options.attempt_timeout, options.retry_delay};
}
PackerOptions packer_options(const MetaOptions& options) {
  PackerOptions packer;
  packer.waiting_max = options.waiting_max;
  packer.entry_bytes_max = options.entry_bytes_max;
  return packer;
}

template <class Message, class Record = typename decltype(from_message(Message{}))::value_type>
Result<std::vector<Record>> records_of(const google::protobuf::RepeatedPtrField<Message>& list) {
  std::vector<Record> records;
  records.reserve(static_cast<std::size_t>(list.size()));
  for (const Message& message : list) {
    PREDA_TRY(Record record, from_message(message));
    records.push_back(std::move(record));
  }
  return records;
}

std::string text_of(ByteSpan bytes) { return std::string{as_text(bytes)}; }

std::vector<std::string> strings_of(const google::protobuf::RepeatedPtrField<std::string>& list) {
  return {list.begin(), list.end()};
}

class Service final : public ReplicatedMetaService {
 public:
  Service(Environment env, MetaOptions options, StateMachine& state, raft::Replica& replica,
          rpc::Client* client)
      : env_(env),
        options_(std::move(options)),
        packer_(env, replica, packer_options(options_)),
        proposer_(env, replica, packer_, client, proposer_options(options_)),
        queries_(env, state, replica, client, proposer_options(options_)),
        duties_(env, options_, state, replica, proposer_),
        state_(state),
        check_(env, options_.self, options_.state_check_interval, state, client),
        growth_(proposer_, queries_) {}

  Growth& growth() override { return growth_; }
  Task<void> run() override {
    TaskGroup checking(env_.executor, env_.clock);
    checking.spawn(check_.run());
    co_await duties_.run();
    check_.stop();
    (void)co_await checking.join();
  }
  Task<void> stop() override {
    check_.stop();
    co_await duties_.stop();
    co_await packer_.join();
  }
  Task<Result<void>> initialise(Instant deadline) override {
    co_return co_await duties_.initialise(deadline);
  }
  Task<Result<void>> advance_write_epoch(Instant deadline) override {
    co_return co_await duties_.tick(deadline);
  }
  void attach(rpc::Server& server);

  Task<Result<BucketRecord>> create_bucket(BucketRecord bucket, Instant deadline) override {
    while (bucket.incarnation.value() == 0)
      bucket.incarnation = Incarnation{env_.random.next_u64()};
    contexts_.erase(bucket.name);
    pb::Command command;
    *command.mutable_create_bucket()->mutable_bucket() = to_message(bucket);
    PREDA_CO_TRY(const pb::Answer answer, co_await proposer_.propose(std::move(command), deadline));
    co_return from_message(answer.bucket());
  }
  Task<Result<void>> delete_bucket(std::string bucket, Instant deadline) override {
    contexts_.erase(bucket);
    pb::Command command;
    command.mutable_delete_bucket()->set_bucket(bucket);
    co_return co_await execute(std::move(command), deadline);
  }
  Task<Result<BucketRecord>> get_bucket(std::string bucket, Instant deadline) override {
    pb::Query query;
    query.mutable_get_bucket()->set_bucket(bucket);
    PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
    if (answer.buckets().buckets_size() != 1) co_return broken();
    co_return from_message(answer.buckets().buckets(0));
  }
  Task<Result<std::vector<BucketRecord>>> list_buckets(Instant deadline) override {
    pb::Query query;
    query.mutable_list_buckets();
    PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
    co_return records_of(answer.buckets().buckets());
  }
  Task<Result<WriteContext>> write_context(std::string bucket, Instant deadline) override;

  Task<Result<ObjectRecord>> put_object(PutObject put, Instant deadline) override {
    pb::Command command;
    pb::PutObject* message = command.mutable_put_object();
    message->set_bucket(put.bucket);
    message->set_key(put.key);
    *message->mutable_object() = to_message(put.record);
    for (const ChunkLayout& layout : put.layouts) *message->add_layouts() = to_message(layout);
    message->set_write_epoch(put.write_epoch.value());
    *message->mutable_precondition() = to_message(put.precondition);
    message->set_inline_bytes(std::move(put.inline_bytes));
    auto answer = co_await proposer_.propose(std::move(command), deadline);
    if (!answer) co_return forget_context(put.bucket, std::move(answer).error());
    co_return from_message(answer->object());
  }
  Task<Result<ObjectAndLayouts>> get_object(std::string bucket, std::string key,
                                            std::uint64_t first_byte, std::uint64_t last_byte,
                                            Instant deadline) override {
    pb::Query query;
    pb::GetObject* get = query.mutable_get_object();
    get->set_bucket(bucket);
    get->set_key(key);
    get->set_first_byte(first_byte);
    get->set_last_byte(last_byte);
    PREDA_CO_TRY(pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
    ObjectAndLayouts found;
    PREDA_CO_TRY(found.record, from_message(answer.object().object()));
    PREDA_CO_TRY(found.layouts, records_of(answer.object().layouts()));
    found.is_truncated = answer.object().is_truncated();
    found.inline_bytes = std::move(*answer.mutable_object()->mutable_inline_bytes());
    co_return found;
  }
  Task<Result<void>> delete_objects(std::string bucket, std::vector<std::string> keys,
                                    Precondition precondition, Instant deadline) override {
    pb::Command command;
    pb::DeleteObjects* message = command.mutable_delete_objects();
    message->set_bucket(bucket);
    for (std::string& key : keys) message->add_keys(std::move(key));
    *message->mutable_precondition() = to_message(precondition);
    co_return co_await execute(std::move(command), deadline);
  }
  Task<Result<ListPage>> list_objects(ListQuery list, Instant deadline) override;

  Task<Result<UploadRecord>> create_upload(UploadRecord upload, Instant deadline) override;
  Task<Result<UploadRecord>> get_upload(std::string bucket, std::string key, std::string upload_id,
                                        Instant deadline) override {
    pb::Query query;
    pb::GetUpload* get = query.mutable_get_upload();
    get->set_bucket(bucket);
    get->set_key(key);
    get->set_upload_id(upload_id);
    PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
    co_return from_message(answer.upload());
  }
  Task<Result<PartRecord>> put_part(PutPart put, Instant deadline) override {
    pb::Command command;
    pb::PutPart* message = command.mutable_put_part();
    message->set_bucket(put.bucket);
    message->set_key(put.key);
    message->set_upload_id(put.upload_id);
    message->set_incarnation(put.incarnation.value());
    *message->mutable_part() = to_message(put.part);
    for (const ChunkLayout& layout : put.layouts) *message->add_layouts() = to_message(layout);
    message->set_write_epoch(put.write_epoch.value());
    auto answer = co_await proposer_.propose(std::move(command), deadline);
    if (!answer) co_return forget_context(put.bucket, std::move(answer).error());
    co_return from_message(answer->part());
  }
  Task<Result<ListPartsPage>> list_parts(std::string bucket, std::string key, std::string upload_id,
                                         std::uint32_t after_part, std::uint32_t max_entries,
                                         Instant deadline) override;
  Task<Result<ObjectRecord>> complete_upload(CompleteUpload complete, Instant deadline) override {
    pb::Command command;
    pb::CompleteUpload* message = command.mutable_complete_upload();
    message->set_bucket(complete.bucket);
    message->set_key(complete.key);
    message->set_upload_id(complete.upload_id);
    message->set_incarnation(complete.incarnation.value());
    for (const CompletePart& part : complete.parts) {
      pb::NamedPart* named = message->add_parts();
      named->set_part_number(part.part_number.value());
      named->set_etag(part.etag);
    }
    *message->mutable_checksum() = to_message(complete.checksum);
    *message->mutable_precondition() = to_message(complete.precondition);
    PREDA_CO_TRY(const pb::Answer answer, co_await proposer_.propose(std::move(command), deadline));
    co_return from_message(answer.object());
  }
  Task<Result<void>> abort_upload(std::string bucket, std::string key, std::string upload_id,
                                  Instant deadline) override {
    pb::Command command;
    pb::AbortUpload* message = command.mutable_abort_upload();
    message->set_bucket(bucket);
    message->set_key(key);
    message->set_upload_id(upload_id);
    co_return co_await execute(std::move(command), deadline);
  }
  Task<Result<ListUploadsPage>> list_uploads(ListUploadsQuery list, Instant deadline) override;

  Task<Result<std::vector<ChunkLayout>>> layouts_after(std::string chunk_key_after,
                                                       std::uint32_t max_entries,
                                                       Instant deadline) override {
    pb::Query query;
    query.mutable_layouts_after()->set_chunk_key(chunk_key_after);
    query.mutable_layouts_after()->set_max_entries(max_entries);
    PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
    co_return records_of(answer.layouts().layouts());
  }
  Task<Result<ChunkLayout>> get_layout(ObjectId object_id, ChunkIndex chunk_index,
                                       Instant deadline) override {
    pb::Query query;
    query.mutable_get_layout()->set_object_id(text_of(object_id.span()));
    query.mutable_get_layout()->set_chunk_index(chunk_index.value());
    PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
    if (answer.layouts().layouts_size() != 1) co_return broken();
    co_return from_message(answer.layouts().layouts(0));
  }
  Task<Result<void>> report_damage(std::vector<ShardKey> shards, Instant deadline) override {
    pb::Command command;
    for (const ShardKey& shard : shards) {
      pb::DamagedShard* damaged = command.mutable_report_damage()->add_shards();
      damaged->set_object_id(text_of(shard.object_id.span()));
      damaged->set_chunk_index(shard.chunk_index.value());
      damaged->set_role(shard.role.value());
    }
    if (shards.empty()) co_return Result<void>{};
    co_return co_await execute(std::move(command), deadline);
  }
  Task<Result<std::vector<RepairItem>>> repair_queue(std::uint32_t max_entries,
                                                     Instant deadline) override {
    co_return co_await repair_queue_after({}, max_entries, deadline);
  }
  Task<Result<std::vector<RepairItem>>> repair_queue_after(std::string chunk_key_after,
                                                           std::uint32_t max_entries,
                                                           Instant deadline) override;
  Task<Result<void>> swap_layout(SwapLayout swap, Instant deadline) override {
    pb::Command command;
    *command.mutable_swap_layout()->mutable_layout() = to_message(swap.layout);
    command.mutable_swap_layout()->set_write_epoch(swap.write_epoch.value());
    co_return co_await execute(std::move(command), deadline);
  }
  Task<Result<std::vector<GarbageItem>>> garbage_queue(std::uint32_t max_entries,
                                                       Instant deadline) override;
  Task<Result<void>> garbage_done(std::vector<std::uint64_t> ids, Instant deadline) override {
    if (ids.empty()) co_return Result<void>{};
    pb::Command command;
    command.mutable_garbage_done()->mutable_ids()->Assign(ids.begin(), ids.end());
    co_return co_await execute(std::move(command), deadline);
  }
  Task<Result<ClusterState>> cluster_state(Instant deadline) override;
  Task<Result<RingRecord>> ring(RingEpoch epoch, Instant deadline) override {
    pb::Query query;
    query.mutable_ring()->set_epoch(epoch.value());
    PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
    co_return from_message(answer.ring());
  }

  Task<Result<BucketRecord>> set_bucket_options(BucketOptions options, Instant deadline) override {
    contexts_.erase(options.bucket);
    auto command = set_bucket_options_command(options);
    PREDA_CO_TRY(const pb::Answer answer, co_await proposer_.propose(std::move(command), deadline));
    co_return from_message(answer.bucket());
  }
  Task<Result<void>> set_cluster_options(ClusterOptions options, Instant deadline) override {
    contexts_.clear();
    co_return co_await execute(set_cluster_options_command(options), deadline);
  }
  Task<Result<void>> report_drives(NodeId node, std::vector<DriveMark> marks,
                                   Instant deadline) override {
    co_return co_await execute(report_drives_command(node, marks), deadline);
  }
  Task<Result<std::vector<DriveMark>>> drive_marks(NodeId node, Instant deadline) override {
    PREDA_CO_TRY(const pb::QueryAnswer answer,
                 co_await queries_.query(drive_marks_query(node), deadline));
    co_return drive_marks_from(answer);
  }
  Task<Result<NamedLayouts>> layouts_of(std::vector<std::string> chunk_keys,
                                        Instant deadline) override {
    PREDA_CO_TRY(const pb::QueryAnswer answer,
                 co_await queries_.query(layouts_of_query(std::move(chunk_keys)), deadline));
    co_return named_layouts_from(answer);
  }
  Task<Result<LayoutPage>> layouts_on(NodeId node, std::string after, std::uint32_t scanned_max,
                                      Instant deadline) override {
    pb::Query query = layouts_on_query(node, std::move(after), scanned_max);
    PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
    co_return layout_page_from(answer);
  }
  Task<Result<void>> set_tagging(std::string bucket, std::string key, std::string tagging,
                                 Instant deadline) override {
    pb::Command command;
    command.mutable_set_tagging()->set_bucket(std::move(bucket));
    command.mutable_set_tagging()->set_key(std::move(key));
    command.mutable_set_tagging()->set_tagging(std::move(tagging));
    co_return co_await execute(std::move(command), deadline);
  }
  Task<Result<void>> put_setting(std::string name, std::string value, Instant deadline) override {
    pb::Command command;
    command.mutable_put_setting()->set_name(name);
    command.mutable_put_setting()->set_value(value);
    co_return co_await execute(std::move(command), deadline);
  }
  Task<Result<std::optional<std::string>>> get_setting(std::string name,
                                                       Instant deadline) override {
    pb::Query query;
    query.mutable_setting()->set_name(name);
    PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
    std::optional<std::string> value;
    if (answer.setting().is_set()) value = answer.setting().value();
    co_return value;
  }
  Task<Result<void>> change_setting(SettingChange change, Instant deadline) override {
    pb::Command command;
    pb::ChangeSetting* message = command.mutable_change_setting();
    message->set_name(change.name);
    message->set_has_expected(change.expected.has_value());
    if (change.expected) message->set_expected(*change.expected);
    message->set_has_value(change.value.has_value());
    if (change.value) message->set_value(*change.value);
    co_return co_await execute(std::move(command), deadline);
  }
  Task<Result<SettingPage>> list_settings(std::string prefix, std::string after,
                                          std::uint32_t max_entries, Instant deadline) override;
  Task<Result<void>> rename_object(RenameObject rename, Instant deadline) override {
    pb::Command command;
    *command.mutable_rename_object() = to_message(rename);
    co_return co_await execute(std::move(command), deadline);
  }

 private:
  struct CachedContext {
    WriteContext context;
    Instant expires;
  };

  static Error broken() {
    return make_error(ErrorCode::Internal, "an answer without what was asked for");
  }
  Task<Result<void>> execute(pb::Command command, Instant deadline) {
    auto answer = co_await proposer_.propose(std::move(command), deadline);
    if (!answer) co_return std::move(answer).error();
    co_return Result<void>{};
  }
  // After a refusal that an old context may be the reason of, the next write asks anew.
  Error forget_context(const std::string& bucket, Error error) {
    if (error.code == ErrorCode::StaleEpoch || error.code == ErrorCode::NotFound)
      contexts_.erase(bucket);
    return error;
  }
  Task<void> serve_propose(rpc::Call call);
  Task<void> serve_query(rpc::Call call);

  Environment env_;
  MetaOptions options_;
  Packer packer_;
  Proposer proposer_;
  QueryClient queries_;
  Duties duties_;
  StateMachine& state_;
  StateCheck check_;
  GrowthService growth_;
  std::map<std::string, CachedContext> contexts_;
};

constexpr std::size_t kContextsMax = 1024;
constexpr Duration kServeMax = 30s;  // for a request that came without a deadline

void Service::attach(rpc::Server& server) {
  server.handle(rpc::MessageType::propose,
                [this](rpc::Call call) { return serve_propose(std::move(call)); });
  server.handle(rpc::MessageType::query,
                [this](rpc::Call call) { return serve_query(std::move(call)); });
}

// The proposer is another node's; what it sent is proposed as it is, never forwarded again.
Task<void> Service::serve_propose(rpc::Call call) {
  pb::Proposal proposal;
  const Buffer& body = call.body();
  if (!proposal.ParseFromArray(body.data(), static_cast<int>(body.size())) ||
      proposal.command().version() != kCommandVersion) {
    Error unknown = make_error(ErrorCode::Unsupported, "a proposal that this node does not know");
    co_await call.answer(std::move(unknown));
    co_return;
  }
  const Instant deadline = std::min(call.deadline(), env_.clock.now() + kServeMax);
  ProposeOutcome outcome = co_await packer_.submit(std::move(proposal), deadline);
  if (outcome.kind == ProposeOutcome::Kind::open) {
    co_await call.answer(std::move(outcome.error));
    co_return;
  }
  pb::ProposeAnswer answer;
  answer.set_was_refused(outcome.kind == ProposeOutcome::Kind::refused);
  answer.set_is_busy(outcome.is_busy);
  if (answer.was_refused())
    set_error(*answer.mutable_answer(), outcome.error);
  else
    *answer.mutable_answer() = std::move(outcome.answer);
  BufferChain bytes{Buffer::take(answer.SerializeAsString())};
  co_await call.answer(std::move(bytes));
}

Task<void> Service::serve_query(rpc::Call call) {
  const Instant deadline = std::min(call.deadline(), env_.clock.now() + kServeMax);
  std::string request{call.body().text()};
  if (auto answer = answer_state_hash(state_.hashes(), request)) {
    BufferChain bytes{Buffer::take(*std::move(answer))};
    co_await call.answer(std::move(bytes));
    co_return;
  }
  auto result = co_await queries_.query_here(std::move(request), deadline);
  if (!result) {
    co_await call.answer(std::move(result).error());
    co_return;
  }
  BufferChain bytes{Buffer::take(*std::move(result))};
  co_await call.answer(std::move(bytes));
}

Task<Result<WriteContext>> Service::write_context(std::string bucket, Instant deadline) {
  const Instant begin = env_.clock.now();
  const auto cached = contexts_.find(bucket);
  if (cached != contexts_.end() && begin < cached->second.expires) co_return cached->second.context;
  pb::Query query;
  query.mutable_write_context()->set_bucket(bucket);
  PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
  CachedContext fresh;
  PREDA_CO_TRY(fresh.context.bucket, from_message(answer.write_context().bucket()));
  PREDA_CO_TRY(fresh.context.ring, from_message(answer.write_context().ring()));
  fresh.context.write_epoch = WriteEpoch{answer.write_context().write_epoch()};
  PREDA_CO_TRY(fresh.context.compression, compression_from(answer.write_context().compression()));
  fresh.context.inline_max_bytes = answer.write_context().inline_max_bytes();
  fresh.expires = begin + options_.write_context_cache;
  if (contexts_.size() >= kContextsMax) contexts_.clear();
  contexts_.insert_or_assign(bucket, fresh);
  co_return std::move(fresh.context);
}

Task<Result<ListPage>> Service::list_objects(ListQuery list, Instant deadline) {
  pb::Query query;
  pb::ListObjects* message = query.mutable_list_objects();
  message->set_bucket(list.bucket);
  message->set_prefix(list.prefix);
  message->set_delimiter(list.delimiter);
  message->set_start_after(list.start_after);
  message->set_max_entries(list.max_entries);
  google::protobuf::Arena arena;  // thousands of small messages come and go at once
  auto* answer = google::protobuf::Arena::CreateMessage<pb::QueryAnswer>(&arena);
  PREDA_CO_CHECK(co_await queries_.query_into(std::move(query), deadline, *answer));
  const pb::ObjectPage& found = answer->object_page();
  ListPage page;
  page.objects.reserve(static_cast<std::size_t>(found.objects_size()));
  for (const pb::ListedObject& object : found.objects()) {
    PREDA_CO_TRY(ObjectRecord record, from_message(object.object()));
    page.objects.push_back({object.key(), std::move(record)});
  }
  page.common_prefixes = strings_of(found.common_prefixes());
  page.is_truncated = found.is_truncated();
  page.next_start_after = found.next_start_after();
  co_return page;
}

Task<Result<SettingPage>> Service::list_settings(std::string prefix, std::string after,
                                                 std::uint32_t max_entries, Instant deadline) {
  pb::Query query;
  query.mutable_list_settings()->set_prefix(prefix);
  query.mutable_list_settings()->set_after(after);
  query.mutable_list_settings()->set_max_entries(max_entries);
  PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
  SettingPage page;
  for (const pb::Pair& setting : answer.setting_page().settings())
    page.settings.emplace_back(setting.key(), setting.value());
  page.is_truncated = answer.setting_page().is_truncated();
  co_return page;
}

// Ids order uploads of one key by the time they began, and cannot be guessed.
Task<Result<UploadRecord>> Service::create_upload(UploadRecord upload, Instant deadline) {
  const auto now_ms = static_cast<std::uint64_t>(env_.clock.wall_now().time_since_epoch().count());
  Encoder id;
  id.be(now_ms << 16 | (env_.random.next_u64() & 0xFFFF));
  id.be(env_.random.next_u64()).be(env_.random.next_u64());
  upload.upload_id = to_hex(as_bytes(id.str()));
  pb::Command command;
  *command.mutable_create_upload()->mutable_upload() = to_message(upload);
  PREDA_CO_TRY(const pb::Answer answer, co_await proposer_.propose(std::move(command), deadline));
  co_return from_message(answer.upload());
}

Task<Result<ListPartsPage>> Service::list_parts(std::string bucket, std::string key,
                                                std::string upload_id, std::uint32_t after_part,
                                                std::uint32_t max_entries, Instant deadline) {
  pb::Query query;
  pb::ListParts* list = query.mutable_list_parts();
  list->set_bucket(bucket);
  list->set_key(key);
  list->set_upload_id(upload_id);
  list->set_after_part(after_part);
  list->set_max_entries(max_entries);
  PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
  ListPartsPage page;
  PREDA_CO_TRY(page.upload, from_message(answer.part_page().upload()));
  PREDA_CO_TRY(page.parts, records_of(answer.part_page().parts()));
  page.is_truncated = answer.part_page().is_truncated();
  co_return page;
}

Task<Result<ListUploadsPage>> Service::list_uploads(ListUploadsQuery list, Instant deadline) {
  pb::Query query;
  pb::ListUploads* message = query.mutable_list_uploads();
  message->set_bucket(list.bucket);
  message->set_prefix(list.prefix);
  message->set_delimiter(list.delimiter);
  message->set_key_marker(list.key_marker);
  message->set_upload_id_marker(list.upload_id_marker);
  message->set_max_entries(list.max_entries);
  PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
  const pb::UploadPage& found = answer.upload_page();
  ListUploadsPage page;
  PREDA_CO_TRY(page.uploads, records_of(found.uploads()));
  page.common_prefixes = strings_of(found.common_prefixes());
  page.is_truncated = found.is_truncated();
  page.next_key_marker = found.next_key_marker();
  page.next_upload_id_marker = found.next_upload_id_marker();
  co_return page;
}

Task<Result<std::vector<RepairItem>>> Service::repair_queue_after(std::string chunk_key_after,
                                                                  std::uint32_t max_entries,
                                                                  Instant deadline) {
  pb::Query query;
  query.mutable_repair_queue()->set_max_entries(max_entries);
  query.mutable_repair_queue()->set_after(chunk_key_after);
  PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
  std::vector<RepairItem> items;
  for (const pb::RepairItem& found : answer.repair_items().items()) {
    RepairItem item;
    PREDA_CO_TRY(item.layout, from_message(found.layout()));
    for (const std::uint32_t role : found.damaged_roles())
      item.damaged.push_back(ShardRole{static_cast<std::uint8_t>(role)});
    items.push_back(std::move(item));
  }
  co_return items;
}

Task<Result<std::vector<GarbageItem>>> Service::garbage_queue(std::uint32_t max_entries,
                                                              Instant deadline) {
  pb::Query query;
  query.mutable_garbage_queue()->set_max_entries(max_entries);
  PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
  std::vector<GarbageItem> items;
  for (const pb::GarbageItem& found : answer.garbage_items().items()) {
    GarbageItem item;
    item.id = found.id();
    item.since = WriteEpoch{found.since()};
    PREDA_CO_TRY(item.layouts, records_of(found.layouts()));
    items.push_back(std::move(item));
  }
  co_return items;
}

Task<Result<ClusterState>> Service::cluster_state(Instant deadline) {
  pb::Query query;
  query.mutable_cluster_state();
  PREDA_CO_TRY(const pb::QueryAnswer answer, co_await queries_.query(std::move(query), deadline));
  const pb::ClusterStateAnswer& found = answer.cluster_state();
  if (found.cluster_id().size() != sizeof(ClusterId)) co_return broken();
  ClusterState state;
  state.cluster_id = ClusterId::from(as_bytes(found.cluster_id()));
  PREDA_CO_TRY(state.nodes, records_of(found.nodes()));
  PREDA_CO_TRY(state.ring, from_message(found.ring()));
  state.write_epoch = WriteEpoch{found.write_epoch()};
  state.object_count = found.object_count();
  state.repair_pending = found.repair_pending();
  state.garbage_pending = found.garbage_pending();
  for (const std::uint64_t id : found.unsettled_nodes()) state.unsettled_nodes.insert(NodeId{id});
  PREDA_CO_CHECK(read_options(found, state));
  co_return state;
}

}  // namespace

std::unique_ptr<ReplicatedMetaService> ReplicatedMetaService::make(
    Environment env, MetaOptions options, StateMachine& state, raft::Replica& replica,
    rpc::Server* server, rpc::Client* client) {
  auto service = std::make_unique<Service>(env, std::move(options), state, replica, client);
  if (server != nullptr) service->attach(*server);
  return service;
}

}  // namespace predastore::meta
