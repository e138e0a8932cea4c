#include "sim/clients.h"

#include <algorithm>
#include <utility>

namespace predastore::sim {
namespace {

constexpr Duration kPatience = 30s;

// Gives the bytes in pieces of drawn sizes, now and then slowly; may stop in the middle, as a
// client that disconnects does.
class PieceSource final : public object::BodySource {
 public:
  PieceSource(std::string bytes, Clock& clock, SimRandom& random)
      : rest_(Buffer::take(std::move(bytes))),
        clock_(clock),
        random_(random),
        whole_bytes_(rest_.size()),
        says_size_(random.below(4) != 0) {
    if (random_.below(12) == 0) breaks_below_ = random_.below(whole_bytes_ + 1);
  }
  Task<Result<Buffer>> read(std::size_t max_bytes) override {
    if (breaks_below_ && rest_.size() <= *breaks_below_)
      co_return make_error(ErrorCode::InvalidArgument, "the client is gone");
    if (random_.below(16) == 0) {
      const Duration delay = random_.between(Duration{0}, Duration{50ms});
      co_await sleep_for(clock_, delay);
    }
    std::size_t size = std::min(max_bytes, rest_.size());
    if (size > 1 && random_.below(2) == 0) size = random_.between(1, size);
    const Buffer piece = rest_.slice(0, size);
    rest_ = rest_.slice(size);
    co_return piece;
  }
  std::optional<std::uint64_t> size_bytes() const override {
    if (!says_size_) return std::nullopt;
    return whole_bytes_;
  }
  ObjectChecksum checksum() const override { return {}; }

 private:
  Buffer rest_;
  Clock& clock_;
  SimRandom& random_;
  std::uint64_t whole_bytes_;
  bool says_size_;
  std::optional<std::uint64_t> breaks_below_;
};

class TextSink final : public object::BodySink {
 public:
  Task<Result<void>> write(Buffer bytes) override {
    text += bytes.text();
    co_return Result<void>{};
  }
  std::string text;
};

// The promise of these codes is that nothing was or will be changed.
bool did_nothing(ErrorCode code) {
  switch (code) {
    case ErrorCode::NotFound:
    case ErrorCode::AlreadyExists:
    case ErrorCode::InvalidArgument:
    case ErrorCode::Conflict:
    case ErrorCode::NotLeader:
    case ErrorCode::StaleEpoch:
    case ErrorCode::Unavailable: return true;
    default: return false;
  }
}

}  // namespace

Clients::Clients(Scheduler& scheduler, Cluster& cluster, History& history, std::uint64_t seed,
                 ClientOptions options)
    : scheduler_(scheduler),
      cluster_(cluster),
      history_(history),
      options_(options),
      random_(SimRandom::derive(seed, "clients")),
      no_disk_(scheduler, seed),
      host_(scheduler, no_disk_, "clients", seed) {}

void Clients::violate(std::string what) {
  if (!violation_) violation_ = std::move(what);
}

Clients::Shared Clients::pick() {
  const auto life = cluster_.life(random_.below(cluster_.size()));
  return life != nullptr && life->is_ready ? life : nullptr;
}

std::string Clients::pick_key() {
  return "key-" + std::to_string(random_.below(options_.key_count));
}

std::vector<std::uint64_t> Clients::draw_sizes(bool is_multipart) {
  const auto one = [this]() -> std::uint64_t {
    switch (random_.below(6)) {
      case 0: return random_.below(3);
      case 1: return random_.below(10'000);
      case 2: return 64 * 1024 * random_.between(1, 4) + random_.below(3) - 1;
      default: return random_.below(options_.object_size_max_bytes);
    }
  };
  std::vector<std::uint64_t> sizes;
  if (is_multipart) {
    for (std::uint64_t i = random_.below(3); i > 0; --i)
      sizes.push_back(options_.part_size_min_bytes + random_.below(70'000));
  }
  sizes.push_back(one());
  return sizes;
}

Task<Result<void>> Clients::make_bucket(Instant deadline) {
  for (;;) {
    const Shared life = pick();
    if (life != nullptr) {
      auto done = std::make_shared<std::optional<Result<void>>>();
      auto make = [](Shared at, std::shared_ptr<std::optional<Result<void>>> result,
                     Instant until) -> Task<void> {
        BucketRecord bucket;
        bucket.name = kBucket;
        const auto made = co_await node_of(at).meta().create_bucket(std::move(bucket), until);
        const bool is_there = made || made.error().code == ErrorCode::AlreadyExists;
        if (is_there) {
          result->emplace();
        } else {
          result->emplace(made.error());
        }
      };
      const Instant until = std::min(deadline, scheduler_.now() + 5s);
      life->calls.spawn(make(life, done, until));
      while (!done->has_value() && scheduler_.now() < until + 1s)
        co_await sleep_for(host_.clock, 20ms);
      if (done->has_value() && (*done)->has_value()) co_return Result<void>{};
    }
    if (scheduler_.now() >= deadline)
      co_return make_error(ErrorCode::TimedOut, "the bucket could not be made");
    co_await sleep_for(host_.clock, 100ms);
  }
}

Task<void> Clients::work(Instant until) {
  TaskGroup clients(host_.process.executor(), host_.clock);
  for (std::size_t i = 0; i < options_.client_count; ++i) clients.spawn(one_client(until));
  (void)co_await clients.join();
}

Task<void> Clients::one_client(Instant until) {
  while (scheduler_.now() < until) {
    const Shared life = pick();
    const std::string key = pick_key();
    if (life != nullptr) {
      const std::uint64_t choice = random_.below(20);
      const bool only_if_absent = options_.conditions && random_.below(4) == 0;
      if (choice < 7) {
        life->calls.spawn(put(life, key, only_if_absent));
      } else if (choice < 15) {
        life->calls.spawn(read(life, key));
      } else if (choice < 17 && options_.deletes) {
        life->calls.spawn(erase(life, key));
      } else if (choice < 18 && options_.lists) {
        life->calls.spawn(list(life));
      } else if (choice < 20 && options_.multipart) {
        life->calls.spawn(upload(life, key));
      }
    }
    const Duration pause = random_.between(Duration{1ms}, options_.pause_max);
    co_await sleep_for(host_.clock, pause);
  }
}

void Clients::tell(const Shared& life, const std::string& key, const RegisterOperation& operation,
                   const std::string& outcome) const {
  if (!on_event) return;
  using Kind = RegisterOperation::Kind;
  const char* kind = operation.kind == Kind::write   ? "write"
                     : operation.kind == Kind::erase ? "delete"
                                                     : "read";
  on_event(key + " " + kind + " of " + std::to_string(operation.value) + " at " +
           life->host.process.name() + (life->is_dead ? " (dead)" : "") + " since " +
           std::to_string(static_cast<double>(operation.begin) / 1e9 - 1000) + ": " + outcome);
}

void Clients::conclude(const Shared& life, const std::string& key, std::uint64_t begun,
                       const RegisterOperation& operation, const Error* error) {
  scheduler_.note(error == nullptr ? "ok" : name_of(error->code));
  tell(life, key, operation, error == nullptr ? "ok" : error->to_string());
  if (error == nullptr && !life->is_dead) {
    history_.end(begun, moment());
  } else if (error != nullptr && !life->is_dead && did_nothing(error->code)) {
    ++counts_.refused;
    history_.strike_out(begun);
  } else {
    ++counts_.unknown;
  }
}

Task<void> Clients::put(Shared life, std::string key, bool only_if_absent) {
  const Version& version = history_.make_version(key, draw_sizes(false), false);
  PieceSource source(version.content(), life->host.clock, random_);
  object::PutRequest request;
  request.bucket = kBucket;
  request.key = key;
  request.user_metadata["version"] = std::to_string(version.number);
  request.precondition.if_none_match_any = only_if_absent;
  request.body = &source;
  RegisterOperation operation;
  operation.kind = RegisterOperation::Kind::write;
  operation.value = version.number;
  operation.only_if_absent = only_if_absent;
  operation.begin = moment();
  const std::uint64_t begun = history_.begin(key, operation);
  const auto stored = co_await node_of(life).objects().put(std::move(request));
  if (stored) ++counts_.puts;
  if (stored && (stored->etag != version.etag() || stored->size_bytes != version.size_bytes()))
    violate("put of " + key + " was answered with the ETag or size of something else");
  conclude(life, key, begun, operation, stored ? nullptr : &stored.error());
}

Task<void> Clients::erase(Shared life, std::string key) {
  RegisterOperation operation;
  operation.kind = RegisterOperation::Kind::erase;
  operation.begin = moment();
  const std::uint64_t begun = history_.begin(key, operation);
  const Instant deadline = scheduler_.now() + kPatience;
  std::vector<std::string> keys{key};
  const auto deleted = co_await node_of(life).meta().delete_objects(kBucket, std::move(keys),
                                                                    meta::Precondition{}, deadline);
  if (deleted) ++counts_.deletes;
  conclude(life, key, begun, operation, deleted ? nullptr : &deleted.error());
}

// Which version a record is of; a violation when it is of none of this key.
Result<std::uint64_t> Clients::number_of(const ObjectRecord& record, const std::string& key) {
  const auto found = record.user_metadata.find("version");
  const std::uint64_t number =
      found == record.user_metadata.end() ? 0 : std::strtoull(found->second.c_str(), nullptr, 10);
  const Version* version = history_.find(number);
  if (version == nullptr || version->key != key || record.etag != version->etag() ||
      record.size_bytes != version->size_bytes()) {
    violate("the record of " + key + " is of no version of it, or of two");
    return make_error(ErrorCode::Corruption, "record of no version");
  }
  return number;
}

Task<Result<std::uint64_t>> Clients::read_version(Shared life, std::string key) {
  auto reader = co_await node_of(life).objects().get(kBucket, key);
  if (!reader) {
    const bool is_absent =
        reader.error().code == ErrorCode::NotFound && reader.error().detail == "key";
    if (is_absent) co_return std::uint64_t{0};
    co_return reader.error();
  }
  PREDA_CO_TRY(const std::uint64_t number, number_of((*reader)->record(), key));
  const std::string content = history_.find(number)->content();
  object::ByteRange range{0, content.empty() ? 0 : content.size() - 1};
  if (!content.empty() && random_.below(3) == 0) {
    range.first = random_.below(content.size());
    range.last = random_.between(range.first, content.size() - 1);
  }
  if (content.empty()) co_return number;
  TextSink sink;
  PREDA_CO_CHECK(co_await (*reader)->send(range, sink));
  if (sink.text != content.substr(range.first, range.last - range.first + 1)) {
    violate("a read of " + key + " gave other bytes than were stored");
    co_return make_error(ErrorCode::Corruption, "wrong bytes");
  }
  co_return number;
}

Task<void> Clients::read(Shared life, std::string key) {
  RegisterOperation operation;
  operation.begin = moment();
  const auto number = co_await read_version(life, key);
  if (life->is_dead) co_return;
  scheduler_.note(number ? "read" : name_of(number.error().code));
  if (!number) {
    ++counts_.failed_reads;
    if (number.error().code == ErrorCode::NotFound || number.error().code == ErrorCode::Corruption)
      violate("a read of " + key + " ended with " + number.error().to_string());
    co_return;
  }
  ++(*number == 0 ? counts_.not_found : counts_.reads);
  operation.value = *number;
  tell(life, key, operation, "ok");
  operation.end = moment();
  history_.add(key, operation);
}

// A listing is a read of every key at one moment.
Task<void> Clients::list(Shared life) {
  RegisterOperation operation;
  operation.begin = moment();
  meta::ListQuery query;
  query.bucket = kBucket;
  const Instant deadline = scheduler_.now() + kPatience;
  const auto page = co_await node_of(life).meta().list_objects(std::move(query), deadline);
  if (!page || life->is_dead) co_return;
  ++counts_.lists;
  operation.end = moment();
  std::map<std::string, std::uint64_t> listed;
  for (const meta::ListedObject& object : page->objects) {
    const auto number = number_of(object.record, object.key);
    if (!number) co_return;
    if (!listed.emplace(object.key, *number).second) violate(object.key + " is listed twice");
  }
  for (std::size_t i = 0; i < options_.key_count; ++i) {
    const std::string key = "key-" + std::to_string(i);
    operation.value = listed.contains(key) ? listed.at(key) : 0;
    history_.add(key, operation);
  }
}

Task<Result<std::vector<meta::CompletePart>>> Clients::put_parts(Shared life,
                                                                 const Version* version,
                                                                 std::string upload_id) {
  std::vector<meta::CompletePart> parts;
  for (std::size_t i = 0; i < version->part_sizes_bytes.size(); ++i) {
    const PartNumber number{static_cast<std::uint16_t>(i * 3 + 1)};
    for (int attempt = 0;; ++attempt) {
      PieceSource source(version->part(i), life->host.clock, random_);
      object::PutPartRequest request;
      request.bucket = kBucket;
      request.key = version->key;
      request.upload_id = upload_id;
      request.part_number = number;
      request.body = &source;
      const auto stored = co_await node_of(life).objects().put_part(std::move(request));
      if (stored) {
        meta::CompletePart part;
        part.part_number = number;
        part.etag = version->part_etag(i);
        parts.push_back(std::move(part));
        break;
      }
      if (attempt == 4 || life->is_dead) co_return stored.error();
      co_await sleep_for(life->host.clock, 200ms);
    }
  }
  co_return parts;
}

Task<void> Clients::upload(Shared life, std::string key) {
  const Version& version = history_.make_version(key, draw_sizes(true), true);
  meta::UploadRecord record;
  record.bucket = kBucket;
  record.key = key;
  record.user_metadata["version"] = std::to_string(version.number);
  Instant deadline = scheduler_.now() + kPatience;
  const auto begun = co_await node_of(life).meta().create_upload(std::move(record), deadline);
  if (!begun) co_return;
  auto parts = co_await put_parts(life, &version, begun->upload_id);
  deadline = scheduler_.now() + kPatience;
  if (!parts || random_.below(8) == 0) {
    (void)co_await node_of(life).meta().abort_upload(kBucket, key, begun->upload_id, deadline);
    co_return;
  }
  RegisterOperation operation;
  operation.kind = RegisterOperation::Kind::write;
  operation.value = version.number;
  operation.begin = moment();
  const std::uint64_t begun_write = history_.begin(key, operation);
  meta::CompleteUpload complete;
  complete.bucket = kBucket;
  complete.key = key;
  complete.upload_id = begun->upload_id;
  complete.incarnation = begun->incarnation;
  complete.parts = *parts;
  for (int attempt = 0;; ++attempt) {
    deadline = scheduler_.now() + kPatience;
    const auto completed = co_await node_of(life).meta().complete_upload(complete, deadline);
    if (completed) ++counts_.uploads;
    if (completed && completed->etag != version.etag())
      violate("an upload of " + key + " was completed with the ETag of something else");
    const bool is_open = !completed && !did_nothing(completed.error().code);
    if (!is_open || attempt == 3 || life->is_dead) {
      // Refused after a try whose outcome was open: that try may still be the one that did it.
      const Error unknown = make_error(ErrorCode::TimedOut);
      const bool was_open = !completed && attempt > 0;
      conclude(life, key, begun_write, operation,
               completed  ? nullptr
               : was_open ? &unknown
                          : &completed.error());
      co_return;
    }
    co_await sleep_for(life->host.clock, 300ms);
  }
}

Task<Result<void>> Clients::prove_health(std::size_t machine, Instant deadline) {
  const Shared life = cluster_.life(machine);
  if (life == nullptr || !life->is_ready)
    co_return make_error(ErrorCode::Unavailable, "the node is not up");
  for (;;) {
    const std::uint64_t puts = counts_.puts;
    life->calls.spawn(put(life, "key-0", false));
    while (life->calls.running() > 0 && scheduler_.now() < deadline)
      co_await sleep_for(host_.clock, 20ms);
    if (counts_.puts > puts) break;
    if (scheduler_.now() >= deadline)
      co_return make_error(ErrorCode::TimedOut, "a put does not go through");
    co_await sleep_for(host_.clock, 100ms);
  }
  for (std::size_t i = 0; i < options_.key_count; ++i) {
    for (;;) {
      const std::uint64_t reads = counts_.reads + counts_.not_found;
      life->calls.spawn(read(life, "key-" + std::to_string(i)));
      while (life->calls.running() > 0 && scheduler_.now() < deadline)
        co_await sleep_for(host_.clock, 20ms);
      if (counts_.reads + counts_.not_found > reads) break;
      if (scheduler_.now() >= deadline)
        co_return make_error(ErrorCode::TimedOut, "a read does not go through");
      co_await sleep_for(host_.clock, 100ms);
    }
  }
  co_return Result<void>{};
}

}  // namespace predastore::sim
