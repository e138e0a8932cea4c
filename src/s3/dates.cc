#include "s3/dates.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

namespace predastore::s3 {
namespace {

constexpr auto kMonths = std::to_array<std::string_view>(
    {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"});
constexpr auto kDays =
    std::to_array<std::string_view>({"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"});
constexpr auto kLongDays = std::to_array<std::string_view>(
    {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"});

struct Civil {
  int year = 0;
  unsigned month = 0;  // 1..12
  unsigned day = 0;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  unsigned millisecond = 0;
  unsigned weekday = 0;  // 0 is Sunday
};

Civil civil_of(std::int64_t since_1970_ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{
      std::chrono::milliseconds{since_1970_ms}};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const auto rest = static_cast<std::uint64_t>((time - day).count());
  return Civil{static_cast<int>(date.year()),
               static_cast<unsigned>(date.month()),
               static_cast<unsigned>(date.day()),
               static_cast<unsigned>(rest / 3'600'000),
               static_cast<unsigned>(rest / 60'000 % 60),
               static_cast<unsigned>(rest / 1000 % 60),
               static_cast<unsigned>(rest % 1000),
               std::chrono::weekday{day}.c_encoding()};
}

std::optional<std::int64_t> seconds_of(const Civil& civil) {
  const std::chrono::year_month_day date{
      std::chrono::year{civil.year}, std::chrono::month{civil.month}, std::chrono::day{civil.day}};
  if (!date.ok() || civil.hour > 23 || civil.minute > 59 || civil.second > 60) return std::nullopt;
  const auto days = std::chrono::sys_days{date}.time_since_epoch().count();
  return std::int64_t{days} * 86'400 + std::int64_t{civil.hour} * 3600 +
         std::int64_t{civil.minute} * 60 + std::int64_t{civil.second};
}

// Reads a date from the left; the first mismatch spoils it for good.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  Scanner& literal(std::string_view expected) {
    if (rest_.starts_with(expected)) {
      rest_.remove_prefix(expected.size());
    } else {
      ok_ = false;
    }
    return *this;
  }
  Scanner& number(std::size_t digits, unsigned& value) {
    if (rest_.size() < digits) ok_ = false;
    value = 0;
    for (std::size_t i = 0; ok_ && i < digits; ++i) {
      const char c = rest_[i];
      if (c < '0' || c > '9') ok_ = false;
      value = value * 10 + static_cast<unsigned>(c - '0');
    }
    if (ok_) rest_.remove_prefix(digits);
    return *this;
  }
  // One of the names; its index.
  template <std::size_t N>
  Scanner& name(const std::array<std::string_view, N>& names, unsigned& index) {
    for (unsigned i = 0; ok_ && i < N; ++i) {
      if (!rest_.starts_with(names[i])) continue;
      rest_.remove_prefix(names[i].size());
      index = i;
      return *this;
    }
    ok_ = false;
    return *this;
  }
  // asctime pads the day of the month with a space.
  Scanner& padded_day(unsigned& value) {
    if (rest_.starts_with(' ')) {
      rest_.remove_prefix(1);
      return number(1, value);
    }
    return number(2, value);
  }
  Scanner& time_of_day(Civil& civil) {
    return number(2, civil.hour)
        .literal(":")
        .number(2, civil.minute)
        .literal(":")
        .number(2, civil.second);
  }
  bool at_end() const { return ok_ && rest_.empty(); }
  bool ok() const { return ok_; }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

std::optional<std::int64_t> parse_imf(std::string_view text) {
  Civil civil;
  unsigned weekday = 0;
  unsigned month = 0;
  unsigned year = 0;
  Scanner scanner{text};
  scanner.name(kDays, weekday).literal(", ").number(2, civil.day).literal(" ");
  scanner.name(kMonths, month).literal(" ").number(4, year).literal(" ").time_of_day(civil);
  if (!scanner.literal(" GMT").at_end()) return std::nullopt;
  civil.year = static_cast<int>(year);
  civil.month = month + 1;
  return seconds_of(civil);
}

std::optional<std::int64_t> parse_rfc850(std::string_view text) {
  Civil civil;
  unsigned weekday = 0;
  unsigned month = 0;
  unsigned year = 0;
  Scanner scanner{text};
  scanner.name(kLongDays, weekday).literal(", ").number(2, civil.day).literal("-");
  scanner.name(kMonths, month).literal("-").number(2, year).literal(" ").time_of_day(civil);
  if (!scanner.literal(" GMT").at_end()) return std::nullopt;
  civil.year = static_cast<int>(year < 70 ? 2000 + year : 1900 + year);
  civil.month = month + 1;
  return seconds_of(civil);
}

std::optional<std::int64_t> parse_asctime(std::string_view text) {
  Civil civil;
  unsigned weekday = 0;
  unsigned month = 0;
  unsigned year = 0;
  Scanner scanner{text};
  scanner.name(kDays, weekday).literal(" ").name(kMonths, month).literal(" ");
  scanner.padded_day(civil.day).literal(" ").time_of_day(civil).literal(" ").number(4, year);
  if (!scanner.at_end()) return std::nullopt;
  civil.year = static_cast<int>(year);
  civil.month = month + 1;
  return seconds_of(civil);
}

std::optional<std::int64_t> parse_iso8601(std::string_view text) {
  Civil civil;
  unsigned year = 0;
  Scanner scanner{text};
  scanner.number(4, year).literal("-").number(2, civil.month).literal("-").number(2, civil.day);
  scanner.literal("T").time_of_day(civil);
  if (!scanner.ok()) return std::nullopt;
  std::string_view rest = scanner.rest();
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') rest.remove_prefix(1);
  }
  if (rest != "Z") return std::nullopt;
  civil.year = static_cast<int>(year);
  return seconds_of(civil);
}

}  // namespace

// By hand, for every name in a listing has one: a format string takes five times as long.
std::string iso8601(std::int64_t since_1970_ms) {
  const Civil c = civil_of(since_1970_ms);
  std::string text = "0000-00-00T00:00:00.000Z";
  const auto put = [&text](std::size_t last, std::size_t digits, unsigned number) {
    for (; digits > 0; --digits, number /= 10) text[last--] = static_cast<char>('0' + number % 10);
  };
  put(3, 4, static_cast<unsigned>(std::clamp(c.year, 0, 9999)));
  put(6, 2, c.month);
  put(9, 2, c.day);
  put(12, 2, c.hour);
  put(15, 2, c.minute);
  put(18, 2, c.second);
  put(22, 3, c.millisecond);
  return text;
}

std::string http_date(std::int64_t since_1970_ms) {
  const Civil c = civil_of(since_1970_ms);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[c.weekday], c.day,
                     kMonths[c.month - 1], c.year, c.hour, c.minute, c.second);
}

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  if (auto time = parse_imf(text)) return time;
  if (auto time = parse_rfc850(text)) return time;
  if (auto time = parse_asctime(text)) return time;
  return parse_iso8601(text);
}

}  // namespace predastore::s3
