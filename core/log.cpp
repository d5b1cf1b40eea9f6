// SPDX-License-Identifier: Apache-2.0
#include "core/log.h"

#include <unistd.h>

#include "core/clock.h"
#include "core/encoding.h"

namespace muster {
namespace {

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "error";
}

}  // namespace

std::string format_log_line(std::string_view component, LogLevel level, std::string_view message,
                            std::initializer_list<LogField> fields) {
  std::string line = "{\"time\":\"" + to_rfc3339_micros(SystemClock{}.now_micros()) + "\",\"level\":\"";
  line.append(level_name(level)).append("\",\"component\":");
  append_json_string(line, component);
  line += ",\"message\":";
  append_json_string(line, message);
  for (const LogField& field : fields) {
    line += ',';
    append_json_string(line, field.key);
    line += ':';
    if (field.is_number) {
      line += std::to_string(field.number);
    } else {
      append_json_string(line, field.text);
    }
  }
  return line += '}';
}

void Log::write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) const {
  if (level < least_) return;
  const std::string line = format_log_line(component_, level, message, fields) + "\n";
  // A log that cannot be written must not stop the work it tells of.
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace muster
