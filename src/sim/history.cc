#include "sim/history.h"

#include <numeric>
#include <utility>

#include "base/text.h"
#include "digest/hash.h"

namespace predastore::sim {

std::uint64_t Version::size_bytes() const {
  return std::accumulate(part_sizes_bytes.begin(), part_sizes_bytes.end(), std::uint64_t{0});
}

std::string Version::part(std::size_t index) const {
  std::string bytes(part_sizes_bytes[index], '\0');
  SimRandom random(SimRandom::derive(number, "content", index));
  random.fill(std::as_writable_bytes(std::span{bytes.data(), bytes.size()}));
  return bytes;
}

std::string Version::content() const {
  std::string bytes;
  for (std::size_t i = 0; i < part_sizes_bytes.size(); ++i) bytes += part(i);
  return bytes;
}

std::string Version::etag() const {
  if (!is_multipart) return to_hex(as_bytes(digest::md5(content())));
  std::string hashes;
  for (std::size_t i = 0; i < part_sizes_bytes.size(); ++i) hashes += digest::md5(part(i));
  return to_hex(as_bytes(digest::md5(hashes))) + "-" + std::to_string(part_sizes_bytes.size());
}

std::string Version::part_etag(std::size_t index) const {
  return to_hex(as_bytes(digest::md5(part(index))));
}

const Version& History::make_version(std::string key, std::vector<std::uint64_t> part_sizes_bytes,
                                     bool is_multipart) {
  const std::uint64_t number = versions_.size() + 1;
  Version version{number, std::move(key), std::move(part_sizes_bytes), is_multipart};
  return versions_.emplace(number, std::move(version)).first->second;
}

const Version* History::find(std::uint64_t number) const {
  const auto found = versions_.find(number);
  return found == versions_.end() ? nullptr : &found->second;
}

std::uint64_t History::begin(const std::string& key, RegisterOperation operation) {
  operation.end = RegisterOperation::kUnknown;
  const std::uint64_t number = ++last_operation_;
  operations_[key].emplace(number, operation);
  keys_.emplace(number, key);
  return number;
}

void History::end(std::uint64_t number, std::int64_t moment) {
  operations_.at(keys_.at(number)).at(number).end = moment;
}

void History::strike_out(std::uint64_t number) { operations_.at(keys_.at(number)).erase(number); }

void History::add(const std::string& key, RegisterOperation operation) {
  operations_[key].emplace(++last_operation_, operation);
}

std::size_t History::operation_count() const {
  std::size_t count = 0;
  for (const auto& [key, operations] : operations_) count += operations.size();
  return count;
}

std::vector<RegisterOperation> History::of(const std::string& key) const {
  std::vector<RegisterOperation> all;
  for (const auto& [number, operation] : operations_.at(key)) all.push_back(operation);
  return all;
}

std::optional<std::string> History::find_wrong(std::uint64_t* inconclusive_count) const {
  for (const auto& [key, operations] : operations_) {
    bool is_inconclusive = false;
    const auto wrong = find_contradiction(of(key), &is_inconclusive);
    if (wrong) return "key " + key + ": " + *wrong;
    *inconclusive_count += is_inconclusive ? 1 : 0;
  }
  return std::nullopt;
}

void History::fold_into(std::uint64_t* hash) const {
  const auto fold = [hash](std::uint64_t value) {
    *hash = (*hash ^ value) * 0x9E3779B97F4A7C15ULL;
    *hash ^= *hash >> 31;
  };
  for (const auto& [key, operations] : operations_) {
    for (const auto& [number, operation] : operations) {
      fold(number);
      fold(static_cast<std::uint64_t>(operation.kind));
      fold(operation.value);
      fold(static_cast<std::uint64_t>(operation.begin));
      fold(static_cast<std::uint64_t>(operation.end));
    }
  }
}

}  // namespace predastore::sim
