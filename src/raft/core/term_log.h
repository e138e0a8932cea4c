#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace predastore::raft {

// The terms of a log's entries, as runs: all that the consensus core remembers of entries. Indexes
// begin at 1; entry 0 has term 0. After trimming, `base` is the last entry that is no longer kept;
// its term still is.
class TermLog {
 public:
  TermLog() = default;
  TermLog(std::uint64_t base_index, std::uint64_t base_term)
      : base_index_(base_index), base_term_(base_term), last_index_(base_index) {}

  std::uint64_t base_index() const { return base_index_; }
  std::uint64_t last_index() const { return last_index_; }
  std::uint64_t last_term() const { return runs_.empty() ? base_term_ : runs_.back().term; }
  // None for what was trimmed or is not there yet.
  std::optional<std::uint64_t> term_at(std::uint64_t index) const;
  // The first kept entry of the run that `index` lies in: where a leader that disagrees may look
  // next.
  std::uint64_t first_of_run(std::uint64_t index) const;
  void append(std::uint64_t term);          // terms never fall
  void truncate_from(std::uint64_t index);  // index > base
  void trim_to(std::uint64_t index);        // `index` becomes the base; it must be there

 private:
  struct Run {
    std::uint64_t first_index;
    std::uint64_t term;
  };
  std::size_t run_of(std::uint64_t index) const;

  std::uint64_t base_index_ = 0;
  std::uint64_t base_term_ = 0;
  std::uint64_t last_index_ = 0;
  std::vector<Run> runs_;
};

}  // namespace predastore::raft
