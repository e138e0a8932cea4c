#pragma once

#include <map>
#include <set>
#include <string>

#include "env/environment.h"
#include "env/sync.h"
#include "env/task.h"
#include "meta/meta_service.h"

namespace predastore::repair {

struct ObjectName {
  std::string bucket;
  std::string key;
  friend bool operator==(const ObjectName&, const ObjectName&) = default;
};

// Whose bytes an ObjectID is. The metadata know it in the other direction only, so this looks at
// all objects, as long as it may; the next search goes on from there. It is for the few chunks that
// are damaged beyond repair. Used on one loop.
class ObjectNames {
 public:
  ObjectNames(Environment env, meta::MetaService& meta) : env_(env), meta_(meta) {}

  // Those that were found before `until`. What is of no object (of an upload, or deleted) is not
  // among them.
  Task<std::map<ObjectId, ObjectName>> find(std::set<ObjectId> ids, Instant until);

 private:
  struct Search {
    std::set<ObjectId> missing;
    Instant until;
    bool is_over(Instant now) const { return missing.empty() || now >= until; }
  };
  Task<void> forget_what_changed(Search* search);
  Task<void> look_everywhere(Search* search);
  Task<void> look_into(Search* search, std::string bucket, std::string after);
  Task<void> look_at(Search* search, Semaphore* slots, ObjectName name);

  Environment env_;
  meta::MetaService& meta_;
  std::map<ObjectId, ObjectName> known_;  // of the last searches
  ObjectName place_;                      // up to which the last one looked
};

}  // namespace predastore::repair
