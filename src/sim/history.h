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
  void add(const std::string& key, RegisterOperation operation);
  std::size_t operation_count() const;
  // The first key whose history no order explains.
  std::optional<std::string> find_wrong(std::uint64_t* inconclusive_count) const;
  void fold_into(std::uint64_t* hash) const;

 private:
  std::map<std::uint64_t, Version> versions_;
  std::map<std::string, std::vector<RegisterOperation>> operations_;
};

}  // namespace predastore::sim
