#pragma once

#include <string>

#include "env/clock.h"

namespace predastore::meta {

// The entry with which a group begins that an operator has made of what one replica had: it
// switches the sweep off, since shards that this replica does not know may be named by what was
// lost.
std::string recovery_entry(WallTime now);

}  // namespace predastore::meta
