#pragma once

#include <cstdint>
#include <functional>

#include "env/environment.h"
#include "env/sync.h"

namespace predastore::repair {

// What clients want of the cluster, as far as it is known here.
struct ClientLoad {
  std::uint32_t in_flight = 0;  // requests for bytes, now or within the last second
  std::uint32_t late = 0;  // of them, those that waited longer for the cluster than they should
};

// Keeps background work within a rate, and out of the way of clients: while they are at work it has
// a quarter of the rate; while requests are late, half as much again and again, down to a
// sixteenth of that, and it comes back in steps when they are not. It never stops entirely, for
// what waits for repair must not wait for ever. On one loop.
class Throttle {
 public:
  using Load = std::function<ClientLoad()>;

  // 0 is without any limit, clients or no clients. `load` may be empty: nobody is at work.
  Throttle(Environment env, std::uint64_t bytes_per_second, Load load = {});

  void set_rate(std::uint64_t bytes_per_second) { bytes_per_second_ = bytes_per_second; }
  std::uint64_t rate() const { return bytes_per_second_; }
  // Returns when so many bytes more are within the rate, first come, first served; at `until` at
  // the latest, and at once after stop().
  Task<void> pass(std::uint64_t bytes, Instant until = kNever);
  void stop();

  bool has_clients() const { return load_ && load_().in_flight > 0; }
  // What it would let through at this moment, in bytes a second; 0: without a limit.
  double current_rate();

 private:
  void pay();

  Environment env_;
  std::uint64_t bytes_per_second_;
  Load load_;
  double owed_bytes_ = 0;  // asked for since the beginning
  double paid_bytes_ = 0;  // of them
  double share_ = 1;       // of the rate, for requests that are late
  Instant paid_at_;
  Instant next_step_;
  Signal stopped_;
  bool is_stopping_ = false;
};

}  // namespace predastore::repair
