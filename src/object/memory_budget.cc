#include "object/memory_budget.h"

namespace predastore::object {

MemoryBudget::MemoryBudget(Clock& clock, std::uint64_t size_bytes, Patience patience)
    : clock_(clock), size_bytes_(size_bytes), patience_(patience), memory_(clock, size_bytes) {}

std::optional<SemaphoreHold> MemoryBudget::try_acquire(std::uint64_t bytes) {
  if (!memory_.try_acquire(bytes)) return std::nullopt;
  return SemaphoreHold{memory_, bytes};
}

Task<Result<SemaphoreHold>> MemoryBudget::acquire(std::uint64_t bytes, Caller caller) {
  if (memory_.try_acquire(bytes)) co_return SemaphoreHold{memory_, bytes};
  const bool is_new = caller == Caller::newcomer;
  if (is_new && is_crowded()) {
    ++refused_count_;
    co_return make_error(ErrorCode::Unavailable, "too many wait for memory");
  }
  newcomer_count_ += is_new ? 1 : 0;
  ++waiting_count_;
  const Duration patience = is_new ? patience_.newcomer : patience_.under_way;
  const Result<void> acquired = co_await memory_.acquire(bytes, clock_.now() + patience);
  newcomer_count_ -= is_new ? 1 : 0;
  --waiting_count_;
  if (acquired) co_return SemaphoreHold{memory_, bytes};
  ++refused_count_;
  co_return make_error(ErrorCode::Unavailable, "no memory in time");
}

}  // namespace predastore::object
