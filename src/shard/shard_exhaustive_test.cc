// Every sequence of up to three operations, cut off at every file operation in every way, and with
// every file operation failing in turn.
#include "shard/operation_sequences.h"

namespace predastore::shard {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary

class ShardExhaustive : public ::testing::Test {
 protected:
  ShardExhaustive() : prepared_(1) {
    prepared_.prepare();
    image_ = {DriveImage::copy_of(prepared_.machine.disk), prepared_.machine.index};
  }

  // Opened again, everything is as the model says; and again when the index is thrown away, and
  // after what the recovery itself began is finished.
  void expect_consistent(SequenceRun& run, const std::string& where) {
    ASSERT_TRUE(run.reopen()) << where;
    run.check(where);
    // The frame of a file whose first group was torn is damaged, and written anew; no shard is.
    run.machine.damage.clear();
    ASSERT_TRUE(run.machine.run(run.machine.store->scrub_once())) << where;
    for (const Damage& damage : run.machine.damage)
      EXPECT_FALSE(damage.key.has_value()) << where << ": " << damage.detail;
    const auto compacted = run.machine.run(run.machine.store->compact_once());
    ASSERT_TRUE(compacted) << where << ": " << compacted.error().to_string();
    run.check(where + ", compacted");
    ASSERT_TRUE(run.machine.close()) << where;
    run.machine.index = {};
    ASSERT_TRUE(run.reopen()) << where;
    run.check(where + ", rebuilt");
  }

  // False: the steps were over before the cut.
  bool cut_at(const Sequence3& steps, std::uint64_t operation, Loss loss) {
    const std::string where = name_of(steps) + " cut at " + std::to_string(operation) + ", loss " +
                              std::to_string(static_cast<int>(loss));
    SequenceRun run{operation * 7 + static_cast<std::uint64_t>(loss) + 1000};
    run.begin_from(image_, prepared_);
    run.machine.disk.crash_at = operation;
    if (run.reopen()) run.run_steps(steps);
    const bool is_cut = run.machine.disk.is_crashed();
    run.lose_power(loss);
    expect_consistent(run, where);
    ++cut_count_;
    answered_ += run.answered;
    return is_cut;
  }

  // One operation fails; if `is_lasting` all after it do as well, until the drive is opened again.
  // False: there was no such operation.
  bool fail_at(const Sequence3& steps, std::uint64_t operation, ErrorCode code, bool is_lasting) {
    const std::string where = name_of(steps) + ", failing at " + std::to_string(operation) +
                              (is_lasting ? " and after" : "");
    SequenceRun run{operation + 1000};
    run.begin_from(image_, prepared_);
    std::uint64_t calls = 0;
    run.machine.disk.fault = [&](std::string_view kind, const std::string&) -> Result<void> {
      if (code == ErrorCode::NoSpace && kind != "write" && kind != "create") return {};
      const std::uint64_t call = calls++;
      if (call != operation && !(is_lasting && call > operation)) return {};
      return make_error(code, "injected");
    };
    if (run.reopen()) run.run_steps(steps);
    run.machine.disk.fault = nullptr;
    run.lose_power(operation % 2 == 0 ? Loss::any_blocks : Loss::everything);
    expect_consistent(run, where);
    ++cut_count_;
    answered_ += run.answered;
    return calls > operation;
  }

  SequenceRun prepared_;
  DriveImage image_;
  std::uint64_t cut_count_ = 0;
  std::uint64_t answered_ = 0;
};

TEST_F(ShardExhaustive, power_cut_at_every_operation_of_every_sequence) {
  const bool is_full = std::getenv("PREDASTORE_EXHAUSTIVE") != nullptr;
  for (const Sequence3& steps : all_sequences(31)) {
    bool is_cut = true;
    for (std::uint64_t operation = 0; is_cut; ++operation) {
      ASSERT_LT(operation, 500U) << name_of(steps);
      // Sequences of three are cut in one way in the sample, in turn.
      for (const Loss loss : {Loss::everything, Loss::nothing, Loss::any_blocks}) {
        if (!is_full && steps.size() == 3 && static_cast<std::uint64_t>(loss) != operation % 3)
          continue;
        is_cut = cut_at(steps, operation, loss);
        if (HasFailure()) FAIL() << name_of(steps) << " cut at " << operation;
      }
    }
  }
  EXPECT_GT(cut_count_, 1500U);
  EXPECT_GT(answered_, 500U);  // it did test something
  std::printf("%llu power cuts\n", static_cast<unsigned long long>(cut_count_));
}

TEST_F(ShardExhaustive, an_error_at_every_call_of_every_sequence) {
  for (const Sequence3& steps : all_sequences(61)) {
    for (const ErrorCode code : {ErrorCode::Io, ErrorCode::NoSpace}) {
      for (const bool is_lasting : {false, true}) {
        for (std::uint64_t operation = 0; fail_at(steps, operation, code, is_lasting);
             ++operation) {
          ASSERT_LT(operation, 500U) << name_of(steps);
          if (HasFailure()) FAIL() << name_of(steps) << " failing at " << operation;
        }
        if (HasFailure()) FAIL() << name_of(steps);
      }
    }
  }
  EXPECT_GT(cut_count_, 2000U);
  EXPECT_GT(answered_, 1000U);
  std::printf("%llu errors\n", static_cast<unsigned long long>(cut_count_));
}

}  // namespace
}  // namespace predastore::shard
