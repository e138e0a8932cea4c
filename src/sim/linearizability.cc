#include "sim/linearizability.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace predastore::sim {
namespace {

using Kind = RegisterOperation::Kind;

constexpr std::size_t kStatesMax = 200'000;

// One way the world may be: the value of the key, and which of the operations that have begun and
// not ended took effect already.
struct Possible {
  std::uint64_t value = 0;
  std::vector<std::uint32_t> taken;  // sorted
  friend auto operator<=>(const Possible&, const Possible&) = default;
};

std::optional<std::uint64_t> take_effect(const RegisterOperation& operation, std::uint64_t value) {
  switch (operation.kind) {
    case Kind::write:
      if (operation.only_if_absent && value != 0) return std::nullopt;
      return operation.value;
    case Kind::erase: return 0;
    case Kind::read: break;
  }
  return std::nullopt;
}

class Search {
 public:
  explicit Search(std::vector<RegisterOperation> history) : history_(std::move(history)) {
    possible_.insert(Possible{});
  }

  std::optional<std::string> run(bool* is_inconclusive) {
    // Ends come after begins of the same instant: they overlap.
    std::vector<std::pair<std::pair<std::int64_t, int>, std::uint32_t>> events;
    for (std::uint32_t i = 0; i < history_.size(); ++i) {
      events.push_back({{history_[i].begin, 0}, i});
      if (history_[i].end != RegisterOperation::kUnknown)
        events.push_back({{history_[i].end, 1}, i});
    }
    std::ranges::sort(events);
    for (const auto& [when, index] : events) {
      if (when.second == 0) {
        begin(index);
        continue;
      }
      if (!end(index)) return describe(index);
      if (possible_.size() > kStatesMax) {
        if (is_inconclusive != nullptr) *is_inconclusive = true;
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

 private:
  // A read changes nothing, so it is taken as soon as the value is right: whatever can follow
  // without it can follow with it.
  void take_reads(Possible& world) const {
    for (const std::uint32_t other : open_) {
      if (history_[other].kind != Kind::read || history_[other].value != world.value) continue;
      const auto place = std::ranges::lower_bound(world.taken, other);
      if (place == world.taken.end() || *place != other) world.taken.insert(place, other);
    }
  }

  void begin(std::uint32_t index) {
    open_.insert(index);
    if (history_[index].kind != Kind::read) return;
    std::set<Possible> worlds;
    for (Possible world : possible_) {
      take_reads(world);
      worlds.insert(std::move(world));
    }
    possible_ = std::move(worlds);
  }

  // Operation `index` has ended: only worlds remain in which it took effect, just now at the
  // latest.
  bool end(std::uint32_t index) {
    std::set<Possible> reached;
    std::set<Possible> seen;
    std::vector<Possible> todo(possible_.begin(), possible_.end());
    while (!todo.empty()) {
      Possible world = std::move(todo.back());
      todo.pop_back();
      if (!seen.insert(world).second) continue;
      if (seen.size() > kStatesMax * 4) break;
      if (std::ranges::binary_search(world.taken, index)) {
        std::erase(world.taken, index);
        reached.insert(std::move(world));
        continue;
      }
      for (const std::uint32_t other : open_) {
        if (history_[other].kind == Kind::read) continue;
        if (std::ranges::binary_search(world.taken, other)) continue;
        const auto value = take_effect(history_[other], world.value);
        if (!value) continue;
        Possible next{*value, world.taken};
        next.taken.insert(std::ranges::upper_bound(next.taken, other), other);
        take_reads(next);
        todo.push_back(std::move(next));
      }
    }
    open_.erase(index);
    possible_ = std::move(reached);
    return !possible_.empty();
  }

  std::string describe(std::uint32_t index) const {
    const RegisterOperation& operation = history_[index];
    const char* kind = operation.kind == Kind::write   ? "write"
                       : operation.kind == Kind::erase ? "delete"
                                                       : "read";
    return std::string("no order explains the ") + kind + " of value " +
           std::to_string(operation.value) + " from " + std::to_string(operation.begin) + " to " +
           std::to_string(operation.end);
  }

  std::vector<RegisterOperation> history_;
  std::set<std::uint32_t> open_;
  std::set<Possible> possible_;
};

}  // namespace

std::optional<std::string> find_contradiction(std::vector<RegisterOperation> history,
                                              bool* is_inconclusive) {
  std::set<std::uint64_t> read;
  for (const RegisterOperation& operation : history) {
    if (operation.kind == Kind::read) read.insert(operation.value);
  }
  // A write without an answer that nobody read explains nothing: it is as if it never happened.
  // (With conditions it might explain one that failed; failed ones are not in the history, so it
  // can only be in the way.)
  std::erase_if(history, [&](const RegisterOperation& operation) {
    return operation.kind == Kind::write && operation.end == RegisterOperation::kUnknown &&
           !read.contains(operation.value);
  });
  // A read without an answer says nothing.
  std::erase_if(history, [](const RegisterOperation& operation) {
    return operation.kind == Kind::read && operation.end == RegisterOperation::kUnknown;
  });
  Search search(std::move(history));
  return search.run(is_inconclusive);
}

}  // namespace predastore::sim
