#pragma once

#include <string>

#include "env/file.h"
#include "raft/core/core.h"

namespace predastore::raft {

// Term and vote, in two copies (docs/formats/raft_log.md). Used by one caller at a time.
class VoteFile {
 public:
  // Nothing there: term 0. Corruption when neither copy can be believed though there is one.
  static Task<Result<std::unique_ptr<VoteFile>>> open(FileSystem& files, std::string directory);

  const HardState& state() const { return state_; }
  // Durable in both copies when it returns. After an error nothing may be sent any more that speaks
  // for a newer term.
  Task<Result<void>> write(HardState state);

 private:
  VoteFile() = default;
  HardState state_;
  std::uint64_t counter_ = 0;
  std::shared_ptr<File> copies_[2];
};

}  // namespace predastore::raft
