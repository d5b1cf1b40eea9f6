// SPDX-License-Identifier: Apache-2.0
//
// Purpose: one JSON object per line on standard error: {"time","level","component","message",…fields}. The message is
// constant lower-case text without a period; facts are fields. Never logged: keys, tokens, challenge passwords, bodies.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "core/error.h"

namespace muster {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), text(v) {}
  LogField(std::string_view k, const char* v) : key(k), text(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), text(v) {}
  template <std::integral T>
  LogField(std::string_view k, T v) : key(k), number(static_cast<std::int64_t>(v)), is_number(true) {}
  std::string_view key;
  std::string_view text;
  std::int64_t number = 0;
  bool is_number = false;
};

// Log writes lines for one component. Thread-safe: a line is one write(2). Copyable.
class Log {
 public:
  explicit Log(std::string component, LogLevel least = LogLevel::kInfo)
      : component_(std::move(component)), least_(least) {}
  void debug(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    write(LogLevel::kDebug, message, fields);
  }
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    write(LogLevel::kInfo, message, fields);
  }
  void warning(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    write(LogLevel::kWarning, message, fields);
  }
  void error(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    write(LogLevel::kError, message, fields);
  }

 private:
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) const;
  std::string component_;
  LogLevel least_;
};

// format_log_line is what Log writes, without the newline, for the plugin, whose lines go through the broker's log.
std::string format_log_line(std::string_view component, LogLevel level, std::string_view message,
                            std::initializer_list<LogField> fields);

}  // namespace muster
