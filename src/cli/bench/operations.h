#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/bench/connection.h"

// The S3 requests that a benchmark is made of: one function a kind of work, on one connection.
namespace predastore::cli::bench {

struct Done {
  std::uint64_t bytes = 0;  // of objects, sent or received
  std::uint64_t items = 0;  // keys listed, parts sent
  Duration first_byte{};
};

struct ListPlace {
  std::string continuation_token;  // empty: from the start
};

class Operations {
 public:
  Operations(const Options& options, Connection& connection)
      : options_(options), connection_(connection) {}

  Task<Result<Done>> create_bucket();  // one that is there already is no error
  Task<Result<Done>> put(std::string key, std::uint64_t size_bytes);
  Task<Result<Done>> get(std::string key);
  Task<Result<Done>> get_range(std::string key, std::uint64_t offset_bytes,
                               std::uint64_t size_bytes);
  Task<Result<Done>> stat(std::string key);
  Task<Result<Done>> remove(std::string key);
  Task<Result<Done>> remove_all(std::vector<std::string> keys);  // at most 1000
  // One page; `place` is moved on, and to the start after the last page.
  Task<Result<Done>> list(ListPlace* place);
  // All of one upload; each part on its own is no sample.
  Task<Result<Done>> put_multipart(std::string key, std::uint64_t size_bytes);

 private:
  std::string path_of(const std::string& key) const;

  const Options& options_;
  Connection& connection_;
};

}  // namespace predastore::cli::bench
