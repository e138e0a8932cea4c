#include "raft/core/term_log.h"

#include <algorithm>

#include "base/assert.h"

namespace predastore::raft {

std::size_t TermLog::run_of(std::uint64_t index) const {
  PREDA_ASSERT(index > base_index_ && index <= last_index_);
  const auto after = std::ranges::upper_bound(runs_, index, {}, &Run::first_index);
  return static_cast<std::size_t>(after - runs_.begin()) - 1;
}

std::optional<std::uint64_t> TermLog::term_at(std::uint64_t index) const {
  if (index == base_index_) return base_term_;
  if (index < base_index_ || index > last_index_) return std::nullopt;
  return runs_[run_of(index)].term;
}

std::uint64_t TermLog::first_of_run(std::uint64_t index) const {
  if (index <= base_index_) return base_index_ + 1;
  return runs_[run_of(index)].first_index;
}

void TermLog::append(std::uint64_t term) {
  PREDA_ASSERT(term >= last_term());
  ++last_index_;
  if (runs_.empty() || runs_.back().term != term) runs_.push_back({last_index_, term});
}

void TermLog::truncate_from(std::uint64_t index) {
  PREDA_ASSERT(index > base_index_);
  if (index > last_index_) return;
  last_index_ = index - 1;
  while (!runs_.empty() && runs_.back().first_index > last_index_) runs_.pop_back();
}

void TermLog::trim_to(std::uint64_t index) {
  const auto term = term_at(index);
  PREDA_ASSERT(term.has_value());
  base_index_ = index;
  base_term_ = *term;
  while (!runs_.empty() && (runs_.size() > 1 ? runs_[1].first_index - 1 : last_index_) <= index)
    runs_.erase(runs_.begin());
  if (!runs_.empty()) runs_.front().first_index = std::max(runs_.front().first_index, index + 1);
}

}  // namespace predastore::raft
