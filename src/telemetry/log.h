#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace predastore::telemetry {

// error: a person should look; warn: healed itself; info: a state changed; debug: a decision.
enum class LogLevel { debug, info, warn, error };

// One key and its value, already written as JSON.
struct Field {
  Field(std::string_view name, std::string_view text);
  Field(std::string_view name, const char* text) : Field(name, std::string_view(text)) {}
  Field(std::string_view name, const std::string& text) : Field(name, std::string_view(text)) {}
  Field(std::string_view name, bool value);
  template <std::integral T>
  Field(std::string_view name, T value) : key(name), json(std::to_string(value)) {}
  Field(std::string_view name, double value);

  std::string_view key;
  std::string json;
};

// One line of JSON an event, to standard error:
// {"time":"2026-01-31T12:00:00.000Z","level":"info","event":"...", fields}. `event` is a verb
// phrase and is the same for all events of its kind. No secrets, no payload. Any thread.
void log(LogLevel level, std::string_view event, std::initializer_list<Field> fields = {});
inline void log_debug(std::string_view event, std::initializer_list<Field> fields = {}) {
  log(LogLevel::debug, event, fields);
}
inline void log_info(std::string_view event, std::initializer_list<Field> fields = {}) {
  log(LogLevel::info, event, fields);
}
inline void log_warn(std::string_view event, std::initializer_list<Field> fields = {}) {
  log(LogLevel::warn, event, fields);
}
inline void log_error(std::string_view event, std::initializer_list<Field> fields = {}) {
  log(LogLevel::error, event, fields);
}

void set_log_level(LogLevel lowest);  // info until told otherwise
// Instead of standard error; empty sends lines there again. For tests and the simulator.
void set_log_sink(void (*sink)(std::string_view line));

// The text of one event without its time; what log() writes after it.
std::string format_event(LogLevel level, std::string_view event,
                         std::initializer_list<Field> fields);
// `text` between quotes, escaped; bytes that are no UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

}  // namespace predastore::telemetry
