#include <gtest/gtest.h>

#include <map>

#include "cli/bench/connection.h"
#include "cli/bench/latency_histogram.h"
#include "cli/bench/options.h"
#include "cli/bench/pattern.h"
#include "cli/bench/results.h"

namespace predastore::cli::bench {
namespace {

TEST(LatencyHistogram, quantiles_are_right_within_the_width_of_a_bucket) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 100'000; ++i) histogram.record(std::chrono::microseconds(i * 10));
  for (const double fraction : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double expected = fraction * 1e6;
    const double found = static_cast<double>(histogram.quantile(fraction).count()) / 1e3;
    EXPECT_NEAR(found, expected, expected / 60) << fraction;
  }
  EXPECT_EQ(histogram.quantile(1), Duration(1s));
  EXPECT_EQ(histogram.max(), Duration(1s));
  EXPECT_EQ(histogram.count(), 100'000u);
}

TEST(LatencyHistogram, small_and_huge_durations_have_a_place) {
  LatencyHistogram histogram;
  histogram.record(Duration{0});
  histogram.record(3us);
  histogram.record(1000h);
  EXPECT_EQ(histogram.quantile(0.3), Duration{0});
  EXPECT_EQ(histogram.quantile(0.6), Duration(3us));
  EXPECT_GT(histogram.quantile(0.999), Duration(3h));
  EXPECT_EQ(LatencyHistogram{}.quantile(0.5), Duration{});
}

TEST(LatencyHistogram, merged_counts_are_those_of_all) {
  LatencyHistogram one;
  LatencyHistogram two;
  for (int i = 0; i < 99; ++i) one.record(1ms);
  two.record(1s);
  one.merge(two);
  EXPECT_EQ(one.count(), 100u);
  EXPECT_LT(one.quantile(0.99), Duration(2ms));
  EXPECT_EQ(one.quantile(1), Duration(1s));
}

TEST(BenchOptions, sizes_are_read_with_their_units) {
  EXPECT_EQ(*parse_size("4096"), 4096u);
  EXPECT_EQ(*parse_size("64KiB"), 65536u);
  EXPECT_EQ(*parse_size("1.5MiB"), 3u << 19);
  EXPECT_EQ(*parse_size("10MB"), 10'000'000u);
  EXPECT_EQ(*parse_size("0"), 0u);
  for (const char* bad : {"", "KiB", "-1", "1.5", "1 KiB", "9TiB", "1e30", "nan", "10PB"})
    EXPECT_FALSE(parse_size(bad).has_value()) << bad;
  EXPECT_EQ(size_text(65536), "64KiB");
  EXPECT_EQ(size_text(1000), "1000B");
}

TEST(BenchOptions, durations_are_read_with_their_units) {
  EXPECT_EQ(*parse_duration("10s"), Duration(10s));
  EXPECT_EQ(*parse_duration("500ms"), Duration(500ms));
  EXPECT_EQ(*parse_duration("2m"), Duration(120s));
  EXPECT_EQ(*parse_duration("3"), Duration(3s));
  for (const char* bad : {"", "s", "-1s", "1y", "1000h"})
    EXPECT_FALSE(parse_duration(bad).has_value()) << bad;
}

TEST(BenchOptions, a_mix_gives_its_sizes_by_weight_and_the_same_for_the_same_number) {
  const Result<SizeMix> mix = SizeMix::parse("4KiB:70,1MiB:30");
  ASSERT_TRUE(mix.has_value());
  std::map<std::uint64_t, int> seen;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    ++seen[mix->draw(i)];
    EXPECT_EQ(mix->draw(i), mix->draw(i));
  }
  EXPECT_EQ(seen.size(), 2u);
  EXPECT_NEAR(seen[4096], 7000, 300);
  EXPECT_EQ(mix->max(), 1u << 20);
  for (const char* bad : {"", "4KiB:", "4KiB:0", "4KiB:x", "4KiB,,1MiB", ":3"})
    EXPECT_FALSE(SizeMix::parse(bad).has_value()) << bad;
}

TEST(BenchOptions, an_unknown_mode_is_told_the_known_ones) {
  EXPECT_EQ(*parse_mode("hot-key"), Mode::hot_key);
  const Result<Mode> bad = parse_mode("gett");
  ASSERT_FALSE(bad.has_value());
  EXPECT_NE(bad.error().detail.find("hot-key"), std::string::npos);
}

TEST(Pattern, bytes_are_those_of_the_name_and_the_place_only) {
  const Pattern pattern;
  const Pattern again;
  const Buffer all = pattern.bytes("k", 0, Pattern::kPeriodBytes).flatten();
  EXPECT_EQ(pattern.bytes("k", 1000, 5000).flatten().text(), all.slice(1000, 5000).text());
  EXPECT_TRUE(again.matches("k", 1000, all.slice(1000, 5000)));
  EXPECT_FALSE(again.matches("k", 1001, all.slice(1000, 5000)));
  EXPECT_FALSE(again.matches("other", 1000, all.slice(1000, 5000)));
  EXPECT_TRUE(again.matches("k", Pattern::kPeriodBytes + 7, all.slice(7, 100)));
}

TEST(Endpoint, ports_and_schemes_have_their_defaults) {
  EXPECT_EQ(parse_endpoint("http://127.0.0.1:9000")->at.port, 9000);
  EXPECT_EQ(parse_endpoint("127.0.0.1:9000")->at.port, 9000);
  const Result<Endpoint> https = parse_endpoint("https://s3.example.org/");
  ASSERT_TRUE(https.has_value());
  EXPECT_TRUE(https->is_https);
  EXPECT_EQ(https->at.port, 443);
  EXPECT_EQ(https->host_header, "s3.example.org");
  EXPECT_FALSE(parse_endpoint("http://host:port").has_value());
}

TEST(BenchResults, errors_are_told_in_both_forms) {
  Options options;
  options.sizes = *SizeMix::parse("4KiB");
  Results results;
  results.measured = 2s;
  OperationResult& get = results.operations["get"];
  get.requests = 10;
  get.bytes = 10 << 20;
  get.errors = 3;
  results.errors["503 SlowDown"] = 3;
  EXPECT_NE(results_text(options, results).find("5.0 MiB/s · 5.0 requests/s · 3 errors"),
            std::string::npos);
  EXPECT_NE(results_text(options, results).find("3 × 503 SlowDown"), std::string::npos);
  EXPECT_NE(results_json(options, results).find("\"503 SlowDown\":3"), std::string::npos);
}

}  // namespace
}  // namespace predastore::cli::bench
