#include "telemetry/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <cmath>
#include <ctime>
#include <memory>

namespace predastore::telemetry {
namespace {

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warn", "error"};

std::atomic<LogLevel> lowest_level{LogLevel::info};
std::atomic<void (*)(std::string_view)> other_sink{nullptr};

spdlog::logger& standard_error() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("predastore",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",%v", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

// The length of the well-formed UTF-8 sequence at the front of `text`, or 0.
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto follows = [&](std::size_t i, unsigned low, unsigned high) {
    return at(i) >= low && at(i) <= high;
  };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1, 0x80, 0xbf) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const unsigned low = first == 0xe0 ? 0xa0 : 0x80, high = first == 0xed ? 0x9f : 0xbf;
    return follows(1, low, high) && follows(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const unsigned low = first == 0xf0 ? 0x90 : 0x80, high = first == 0xf4 ? 0x8f : 0xbf;
    return follows(1, low, high) && follows(2, 0x80, 0xbf) && follows(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    const char c = text[0];
    if (length == 0) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
  return out;
}

Field::Field(std::string_view name, std::string_view text) : key(name), json(json_string(text)) {}
Field::Field(std::string_view name, bool value) : key(name), json(value ? "true" : "false") {}
Field::Field(std::string_view name, double value)
    : key(name), json(std::isfinite(value) ? fmt::format("{}", value) : "null") {}

std::string format_event(LogLevel level, std::string_view event,
                         std::initializer_list<Field> fields) {
  std::string line = fmt::format("\"level\":\"{}\",\"event\":{}",
                                 kLevelNames[static_cast<std::size_t>(level)], json_string(event));
  for (const Field& field : fields) {
    line += ',';
    line += json_string(field.key);
    line += ':';
    line += field.json;
  }
  line += '}';
  return line;
}

void log(LogLevel level, std::string_view event, std::initializer_list<Field> fields) {
  if (level < lowest_level.load(std::memory_order_relaxed)) return;
  const std::string line = format_event(level, event, fields);
  if (auto* sink = other_sink.load(std::memory_order_relaxed); sink != nullptr) return sink(line);
  standard_error().log(spdlog::level::info, line);
}

void set_log_level(LogLevel lowest) { lowest_level.store(lowest, std::memory_order_relaxed); }
void set_log_sink(void (*sink)(std::string_view line)) {
  other_sink.store(sink, std::memory_order_relaxed);
}

}  // namespace predastore::telemetry
