#include "repair/object_names.h"

#include <algorithm>
#include <vector>

namespace predastore::repair {
namespace {

constexpr std::uint32_t kPageObjects = 1000;
constexpr std::size_t kAtOnce = 32;
constexpr std::size_t kKnownMax = 10'000;

}  // namespace

Task<std::map<ObjectId, ObjectName>> ObjectNames::find(std::set<ObjectId> ids, Instant until) {
  Search search{ids, until};
  co_await forget_what_changed(&search);
  if (!search.is_over(env_.clock.now())) co_await look_everywhere(&search);
  std::map<ObjectId, ObjectName> found;
  for (const ObjectId& id : ids) {
    const auto known = known_.find(id);
    if (known != known_.end()) found.insert(*known);
  }
  co_return found;
}

// An object that was known may have been renamed or replaced since.
Task<void> ObjectNames::forget_what_changed(Search* search) {
  Semaphore slots{env_.clock, kAtOnce};
  TaskGroup tasks{env_.executor, env_.clock};
  const std::set<ObjectId> wanted = search->missing;
  for (const ObjectId& id : wanted) {
    const auto known = known_.find(id);
    if (known == known_.end()) continue;
    ObjectName name = std::move(known->second);
    known_.erase(known);
    (void)co_await slots.acquire(1, kNever);
    tasks.spawn(look_at(search, &slots, std::move(name)));
  }
  (void)co_await tasks.join();
}

// From where the last search ended, around to there again.
Task<void> ObjectNames::look_everywhere(Search* search) {
  const auto listed = co_await meta_.list_buckets(search->until);
  if (!listed || listed->empty()) co_return;
  std::vector<std::string> buckets;
  for (const BucketRecord& bucket : *listed) buckets.push_back(bucket.name);
  std::ranges::sort(buckets);
  const ObjectName from = place_;
  const auto first = std::ranges::lower_bound(buckets, from.bucket);
  std::ranges::rotate(buckets, first);
  buckets.push_back(buckets.front());  // what lies before the place in its bucket
  std::string after = buckets.front() == from.bucket ? from.key : std::string{};
  for (const std::string& bucket : buckets) {
    if (search->is_over(env_.clock.now())) co_return;
    co_await look_into(search, bucket, std::move(after));
    after.clear();
  }
}

Task<void> ObjectNames::look_into(Search* search, std::string bucket, std::string after) {
  for (bool is_truncated = true; is_truncated && !search->is_over(env_.clock.now());) {
    meta::ListQuery query;
    query.bucket = bucket;
    query.start_after = after;
    query.max_entries = kPageObjects;
    const auto page = co_await meta_.list_objects(std::move(query), search->until);
    if (!page) co_return;  // deleted meanwhile, or no time is left
    Semaphore slots{env_.clock, kAtOnce};
    TaskGroup tasks{env_.executor, env_.clock};
    for (const meta::ListedObject& object : page->objects) {
      (void)co_await slots.acquire(1, kNever);
      if (search->is_over(env_.clock.now())) {
        slots.release(1);
        break;
      }
      tasks.spawn(look_at(search, &slots, ObjectName{bucket, object.key}));
      after = object.key;
    }
    (void)co_await tasks.join();
    place_ = {bucket, after};
    is_truncated = page->is_truncated;
  }
}

// `slots` has given one to this.
Task<void> ObjectNames::look_at(Search* search, Semaphore* slots, ObjectName name) {
  const SemaphoreHold slot{*slots, 1};
  const auto object = co_await meta_.get_object(name.bucket, name.key, 0, 0, search->until);
  if (!object) co_return;
  for (const ObjectPart& part : object->record.parts) {
    if (search->missing.erase(part.object_id) == 0) continue;
    if (known_.size() >= kKnownMax) known_.clear();
    known_.insert_or_assign(part.object_id, name);
  }
}

}  // namespace predastore::repair
