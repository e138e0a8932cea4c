#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "env/clock.h"

namespace predastore::cli::bench {

enum class Mode { get, put, mixed, list, stat, remove, multipart, ranged, hot_key };
// "get", "hot-key", ...; InvalidArgument with the known ones.
Result<Mode> parse_mode(const std::string& text);
std::string name_of(Mode mode);

// "64KiB", "10MB", "4096". InvalidArgument.
Result<std::uint64_t> parse_size(const std::string& text);
std::string size_text(std::uint64_t bytes);  // "64KiB"
// "500ms", "10s", "2m". InvalidArgument.
Result<Duration> parse_duration(const std::string& text);

// How large objects are: one size, or several with their weights ("4KiB:70,1MiB:30").
class SizeMix {
 public:
  static Result<SizeMix> parse(const std::string& text);
  // The size of whatever has this number: the same for the same number.
  std::uint64_t draw(std::uint64_t number) const;
  std::uint64_t max() const;
  const std::string& text() const { return text_; }

 private:
  struct Entry {
    std::uint64_t size_bytes = 0;
    std::uint64_t weight = 1;
  };
  std::vector<Entry> entries_;
  std::uint64_t weight_sum_ = 0;
  std::string text_;
};

// What a benchmark does, checked.
struct Options {
  Mode mode = Mode::get;
  std::vector<std::string> endpoints;  // http://host:port or https://…; workers take them in turn
  std::string access_key_id;
  std::string secret_access_key;
  std::string region = "us-east-1";
  std::string ca_file;  // for https; empty: the authorities of the system
  std::string bucket = "predastore-bench";
  std::string prefix = "bench/";
  SizeMix sizes;
  std::uint32_t concurrency = 8;
  Duration duration = 10s;
  Duration warm_up = 2s;
  std::uint64_t objects = 0;       // made before, for modes that read; 0: by the mode
  std::uint64_t requests_max = 0;  // 0: until the duration is over
  double rate_per_s = 0;           // open loop; 0: closed loop
  std::uint64_t range_bytes = 64 << 10;
  std::uint64_t part_bytes = 16 << 20;
  bool sign_payload = false;  // SHA-256 of every body, instead of UNSIGNED-PAYLOAD
  bool verify = false;        // compare every byte that is read
  bool is_prepared = false;   // the objects are there already: neither made nor removed
  bool keep = false;          // leave the objects
  bool is_json = false;
  bool show_progress = false;
};

}  // namespace predastore::cli::bench
