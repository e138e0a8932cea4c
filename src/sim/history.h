#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "env/clock.h"
#include "sim/linearizability.h"
#include "sim/random.h"

namespace predastore::sim {

// One thing that was or may have been stored. The bytes follow from the number, so that a mixture
// of two is seen for what it is.
struct Version {
  std::uint64_t number = 0;  // from 1; 0 is "nothing there"
  std::string key;
  std::vector<std::uint64_t> part_sizes_bytes;  // of one part: a plain object

  bool is_multipart = false;
  std::uint64_t size_bytes() const;
  std::string part(std::size_t index) const;
  std::string content() const;
  std::string etag() const;  // as AWS makes it, without quotes
  std::string part_etag(std::size_t index) const;
};

// Every version and every operation of a run, as the clients saw it.
class History {
 public:
  const Version& make_version(std::string key, std::vector<std::uint64_t> part_sizes_bytes,
                              bool is_multipart);
  const Version* find(std::uint64_t number) const;
  // An operation that changes something counts from its begin on, with an unknown outcome until it
  // is ended or struck out; the number is for that.
  std::uint64_t begin(const std::string& key, RegisterOperation operation);
  void end(std::uint64_t number, std::int64_t moment);
  void strike_out(std::uint64_t number);                          // it certainly did nothing
  void add(const std::string& key, RegisterOperation operation);  // whole
  std::size_t operation_count() const;
  // The first key whose history no order explains.
  std::optional<std::string> find_wrong(std::uint64_t* inconclusive_count) const;
  void fold_into(std::uint64_t* hash) const;

 private:
  std::map<std::uint64_t, Version> versions_;
  std::map<std::string, std::map<std::uint64_t, RegisterOperation>> operations_;
  std::map<std::uint64_t, std::string> keys_;  // of operations that were begun
  std::uint64_t last_operation_ = 0;

  std::vector<RegisterOperation> of(const std::string& key) const;
};

}  // namespace predastore::sim
