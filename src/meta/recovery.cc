#include "meta/recovery.h"

#include "meta/records.h"
#include "meta/state/applier.h"

namespace predastore::meta {

std::string recovery_entry(WallTime now) {
  pb::Entry entry;
  entry.set_version(kEntryVersion);
  entry.set_time_ms(now.time_since_epoch().count());
  pb::Command* command = entry.add_proposals()->mutable_command();
  command->set_version(kCommandVersion);
  command->mutable_recover();
  return entry.SerializeAsString();
}

}  // namespace predastore::meta
