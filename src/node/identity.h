#pragma once

#include <string>

#include "env/environment.h"
#include "model/ids.h"

namespace predastore::node {

// The random identity of one drive, kept with its data in `directory`/drive.id (32 hex digits and a
// newline). Made and durable when the directory holds none; a drive that was wiped thus is a new
// one. Corruption when the file is there and is not what it must be.
Task<Result<DriveId>> load_or_make_drive_id(Environment env, std::string directory);

}  // namespace predastore::node
