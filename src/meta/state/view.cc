#include "meta/state/view.h"

#include "base/codec.h"
#include "digest/crc.h"

namespace predastore::meta {

std::optional<std::string> StateView::get(kv::Family family, std::string_view key) {
  if (failure_) return std::nullopt;
  const auto changes = changes_.find(family);
  if (changes != changes_.end()) {
    const auto changed = changes->second.find(key);
    if (changed != changes->second.end()) return changed->second;
  }
  auto stored = from_ == From::memory ? store_.get_cached(family, key) : store_.get(family, key);
  if (!stored) {
    fail(std::move(stored).error());
    return std::nullopt;
  }
  return *std::move(stored);
}

void StateView::put(kv::Family family, std::string key, std::string value) {
  change(family, std::move(key), std::move(value));
}

void StateView::erase(kv::Family family, std::string key) {
  change(family, std::move(key), std::nullopt);
}

void StateView::change(kv::Family family, std::string key, Value value) {
  Changes& changes = changes_[family];
  const auto [position, is_new] = changes.try_emplace(key);
  Undo undo{family, std::move(key), std::nullopt};
  if (!is_new) undo.before = std::move(position->second);
  undo_.push_back(std::move(undo));
  position->second = std::move(value);
}

void StateView::roll_back() {
  for (auto undo = undo_.rbegin(); undo != undo_.rend(); ++undo) {
    Changes& changes = changes_[undo->family];
    if (undo->before)
      changes[undo->key] = std::move(*undo->before);
    else
      changes.erase(undo->key);
  }
  undo_.clear();
}

void StateView::fail(Error error) {
  if (!failure_) failure_ = std::move(error);
}

kv::Batch StateView::batch() const {
  kv::Batch batch;
  for (const auto& [family, changes] : changes_) {
    for (const auto& [key, value] : changes) {
      if (value)
        batch.put(family, key, *value);
      else
        batch.erase(family, key);
    }
  }
  return batch;
}

// family | has value u8 | key and value with their lengths, in the order of the keys.
std::uint64_t StateView::hash(std::uint64_t before) const {
  std::uint64_t hash = before;
  for (const auto& [family, changes] : changes_) {
    for (const auto& [key, value] : changes) {
      Encoder head;
      head.le(family).le(static_cast<std::uint8_t>(value ? 1 : 0));
      head.le(static_cast<std::uint64_t>(key.size()));
      head.le(static_cast<std::uint64_t>(value ? value->size() : 0));
      hash = digest::crc64nvme(as_bytes(head.str()), hash);
      hash = digest::crc64nvme(as_bytes(key), hash);
      if (value) hash = digest::crc64nvme(as_bytes(*value), hash);
    }
  }
  return hash;
}

Cursor::Cursor(StateView& view, kv::Family family)
    : view_(view),
      stored_(view.from_ == StateView::From::memory ? view.store_.iterate_cached(family)
                                                    : view.store_.iterate(family)) {
  const auto changes = view.changes_.find(family);
  if (changes != view.changes_.end()) changes_ = &changes->second;
}

void Cursor::seek(std::string_view key) {
  stored_->seek(key);
  if (changes_ != nullptr) changed_ = changes_->lower_bound(key);
  settle();
}

void Cursor::next() {
  if (!is_changed_) {
    stored_->next();
  } else {
    if (stored_->valid() && stored_->key() == changed_->first) stored_->next();
    ++changed_;
  }
  settle();
}

// Chooses the smaller of the two sides; a change hides what is stored under its key.
void Cursor::settle() {
  for (;;) {
    const bool has_stored = stored_->valid();
    if (!has_stored) {
      auto status = stored_->status();
      if (!status) view_.fail(std::move(status).error());
    }
    const bool has_changed = changes_ != nullptr && changed_ != changes_->end();
    is_valid_ = !view_.failure() && (has_stored || has_changed);
    is_changed_ = has_changed && (!has_stored || changed_->first <= stored_->key());
    if (!is_valid_ || !is_changed_ || changed_->second) return;
    if (has_stored && stored_->key() == changed_->first) stored_->next();
    ++changed_;
  }
}

}  // namespace predastore::meta
