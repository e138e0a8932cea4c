#pragma once

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "shard/scrubber.h"
#include "shard/test_support.h"

// Only for tests of this folder: short sequences of everything a store does, on a drive that has
// something on it already, and what may be found afterwards.
namespace predastore::shard::testing {

inline constexpr std::uint32_t kSmall = 0;  // the key of a shard of one segment
inline constexpr std::uint32_t kLarge = 1;  // of one of two

enum class Step : std::uint8_t {
  put_small,
  put_large,
  overwrite,  // the small one, by a higher generation
  remove_small,
  remove_large,
  compact,
  seal,  // by closing and opening again
  scrub,
};
inline constexpr std::size_t kStepCount = 8;
using Sequence3 = std::vector<Step>;

inline std::string name_of(const Sequence3& steps) {
  static const char* const kNames[] = {"put_small",    "put_large", "overwrite", "remove_small",
                                       "remove_large", "compact",   "seal",      "scrub"};
  std::string name;
  for (const Step step : steps)
    name += std::string(name.empty() ? "" : ", ") + kNames[static_cast<std::size_t>(step)];
  return name;
}

// All of one to three steps: 8 + 64 + 512. A sample, unless PREDASTORE_EXHAUSTIVE is set, has all
// of up to two and every `stride`th of three.
inline std::vector<Sequence3> all_sequences(std::size_t stride) {
  if (std::getenv("PREDASTORE_EXHAUSTIVE") != nullptr) stride = 1;
  std::vector<Sequence3> all;
  for (std::size_t length = 1; length <= 3; ++length) {
    std::size_t count = 1;
    for (std::size_t i = 0; i < length; ++i) count *= kStepCount;
    for (std::size_t number = 0; number < count; ++number) {
      if (length == 3 && number % stride != stride / 2) continue;
      Sequence3 steps;
      for (std::size_t i = 0, rest = number; i < length; ++i, rest /= kStepCount)
        steps.push_back(static_cast<Step>(rest % kStepCount));
      all.push_back(std::move(steps));
    }
  }
  return all;
}

// What the cut leaves of what was not synced.
enum class Loss : std::uint8_t { everything, nothing, any_blocks };

// Always the same byte: fakes that draw keep everything (0) or lose it (1).
class ConstantRandom final : public Random {
 public:
  explicit ConstantRandom(std::uint8_t byte) : byte_(byte) {}
  void fill(MutableByteSpan bytes) override {
    std::fill(bytes.begin(), bytes.end(), std::byte{byte_});
  }

 private:
  std::uint8_t byte_;
};

// A drive as it was at one moment, to begin from again and again.
struct DriveImage {
  TestDisk disk;
  TestIndex index;

  static TestDisk copy_of(const TestDisk& disk) {
    std::map<const TestDisk::Inode*, std::shared_ptr<TestDisk::Inode>> copies;
    const auto copy = [&](const std::map<std::string, std::shared_ptr<TestDisk::Inode>>& names) {
      std::map<std::string, std::shared_ptr<TestDisk::Inode>> copied;
      for (const auto& [name, inode] : names) {
        auto& kept = copies[inode.get()];
        if (!kept) kept = std::make_shared<TestDisk::Inode>(*inode);
        copied[name] = kept;
      }
      return copied;
    };
    TestDisk copied;
    copied.capacity_bytes = disk.capacity_bytes;
    copied.live_names = copy(disk.live_names);
    copied.durable_names = copy(disk.durable_names);
    return copied;
  }
};

// Runs steps one after the other and keeps what each key may hold: the last answered outcome, or
// any that was asked for and not answered since.
class SequenceRun {
 public:
  struct Held {
    std::uint64_t write_id = 0;  // 0: no shard
    std::uint64_t size_bytes = 0;
    std::uint32_t generation = 0;
    friend bool operator==(const Held&, const Held&) = default;
  };
  struct Key {
    std::vector<Held> allowed{Held{}};
  };

  explicit SequenceRun(std::uint64_t seed) : machine(seed) {
    machine.options.shard_file_size_bytes = 256 * 1024;
    machine.options.capacity_bytes = 600 * 1024;  // so little that every garbage is worth its copy
    machine.options.reserve_bytes = 16 * 1024;
  }

  // A file with garbage and a live shard, and one with the tombstone and the overwrite that made
  // it.
  void prepare() {
    ASSERT_TRUE(machine.open());
    put(10, 30'000, 1);
    put(11, 30'000, 1);
    put(12, 20'000, 1);
    ASSERT_TRUE(machine.close());
    ASSERT_TRUE(machine.open());
    remove(10);
    put(11, 10'000, 2);
    put(13, 20'000, 1);
    ASSERT_TRUE(machine.close());
  }
  void begin_from(const DriveImage& image, const SequenceRun& prepared) {
    machine.disk = DriveImage::copy_of(image.disk);
    machine.index = image.index;
    keys = prepared.keys;
    last_write_id_ = prepared.last_write_id_;
  }

  void run_steps(const Sequence3& steps) {
    for (const Step step : steps) {
      if (!machine.store && !reopen()) return;
      run_step(step);
    }
  }
  bool reopen() { return machine.open().has_value(); }

  // The store is closed on a disk that does nothing any more.
  void lose_power(Loss loss) {
    if (!machine.disk.crash_at) machine.disk.crash_at = machine.disk.operation_count;
    const TestIndex kept = machine.index;
    if (machine.store) (void)machine.close();
    machine.index = kept;
    ConstantRandom constant{static_cast<std::uint8_t>(loss == Loss::everything ? 1 : 0)};
    Random& random = loss == Loss::any_blocks ? static_cast<Random&>(machine.random) : constant;
    machine.disk.lose_power(random);
    machine.index.lose_power(machine.random);
  }

  void check(const std::string& where) {
    for (auto& [number, key] : keys) {
      const Held held = look(number, where);
      EXPECT_TRUE(std::ranges::find(key.allowed, held) != key.allowed.end())
          << where << ": key " << number << " holds try " << held.write_id << " of "
          << held.size_bytes << " bytes";
      key.allowed = {held};
    }
  }

  TestMachine machine;
  std::map<std::uint32_t, Key> keys;
  std::uint64_t answered = 0;

 private:
  void run_step(Step step) {
    switch (step) {
      case Step::put_small: put(kSmall, 9'000, 1); break;
      case Step::put_large: put(kLarge, 70'000, 1); break;
      case Step::overwrite: put(kSmall, 30'000, highest_generation(kSmall) + 1); break;
      case Step::remove_small: remove(kSmall); break;
      case Step::remove_large: remove(kLarge); break;
      case Step::compact: (void)machine.run(machine.store->compact_once()); break;
      case Step::scrub: (void)machine.run(machine.store->scrub_once()); break;
      case Step::seal:
        (void)machine.close();
        (void)reopen();
        break;
    }
  }
  std::uint32_t highest_generation(std::uint32_t number) {
    std::uint32_t highest = 0;
    for (const Held& held : keys[number].allowed) highest = std::max(highest, held.generation);
    return highest;
  }
  void note(std::uint32_t number, const Held& outcome, const Result<void>& result) {
    Key& key = keys[number];
    if (result) {
      ++answered;
      key.allowed = {outcome};
    } else if (result.error().code != ErrorCode::Conflict) {
      key.allowed.push_back(outcome);
    } else {  // refused, since a higher generation is there
      std::erase_if(key.allowed, [&](const Held& held) {
        return held.write_id == 0 || held.generation <= outcome.generation;
      });
    }
  }
  void put(std::uint32_t number, std::uint64_t size_bytes, std::uint32_t generation) {
    const Held outcome{++last_write_id_, size_bytes, generation};
    auto writer = machine.store->create(key_of(number), stamp_of(outcome.write_id, generation));
    const auto result = machine.run(
        write_shard(std::move(writer), segments_of(outcome.write_id, size_bytes), machine.soon()));
    note(number, outcome, result);
  }
  void remove(std::uint32_t number) {
    std::vector<ShardRemoval> removals{{key_of(number), Generation{100}}};
    note(number, Held{}, machine.run(machine.store->remove(removals, machine.soon())));
  }
  Held look(std::uint32_t number, const std::string& where) {
    const auto info = machine.run(machine.store->stat(key_of(number), machine.soon()));
    if (!info) {
      EXPECT_EQ(info.error().code, ErrorCode::NotFound) << where << ": key " << number;
      return {};
    }
    const Held held{info->stamp.write_id.value(), info->logical_size_bytes,
                    info->stamp.generation.value()};
    const auto segments = machine.run(machine.store->fetch(key_of(number), info->stamp.write_id,
                                                           SegmentIndex{0}, 16, machine.soon()));
    EXPECT_TRUE(segments) << where << ": key " << number << " " << segments.error().to_string();
    if (!segments) return held;
    EXPECT_TRUE(same(*segments, segments_of(held.write_id, held.size_bytes))) << where;
    return held;
  }

  std::uint64_t last_write_id_ = 0;
};

}  // namespace predastore::shard::testing
