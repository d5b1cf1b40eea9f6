// SPDX-License-Identifier: Apache-2.0
#include "core/time.h"

#include <cstdio>

namespace muster {
namespace {

// Reads exactly `digits` decimal digits from the front of `text`; -1 if they are not there.
int take_digits(std::string_view& text, int digits) {
  if (text.size() < static_cast<std::size_t>(digits)) return -1;
  int value = 0;
  for (int i = 0; i < digits; ++i) {
    const char c = text[static_cast<std::size_t>(i)];
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(static_cast<std::size_t>(digits));
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// "Z", "+hh:mm" or "-hh:mm" and nothing after it, in seconds east of UTC.
bool take_offset(std::string_view& text, int& seconds) {
  seconds = 0;
  if (take(text, 'Z') || take(text, 'z')) return text.empty();
  const bool east = take(text, '+');
  if (!east && !take(text, '-')) return false;
  const int hours = take_digits(text, 2);
  if (!take(text, ':')) return false;
  const int minutes = take_digits(text, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || !text.empty()) return false;
  seconds = (east ? 1 : -1) * (hours * 3600 + minutes * 60);
  return true;
}

}  // namespace

std::string to_rfc3339(UtcTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

Result<UtcTime> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  const Error malformed{ErrorCode::kInvalidArgument, "time.malformed", std::string{text.substr(0, 64)}};
  const int y = take_digits(text, 4);
  if (!take(text, '-')) return malformed;
  const int mo = take_digits(text, 2);
  if (!take(text, '-')) return malformed;
  const int d = take_digits(text, 2);
  if (!take(text, 'T') && !take(text, 't') && !take(text, ' ')) return malformed;
  const int h = take_digits(text, 2);
  if (!take(text, ':')) return malformed;
  const int mi = take_digits(text, 2);
  if (!take(text, ':')) return malformed;
  const int s = take_digits(text, 2);
  if (y < 0 || mo < 1 || d < 1 || h < 0 || h > 23 || mi < 0 || mi > 59 || s < 0 || s > 60) return malformed;
  if (take(text, '.')) {
    if (take_digits(text, 1) < 0) return malformed;
    while (take_digits(text, 1) >= 0) {
    }
  }
  int offset = 0;
  if (!take_offset(text, offset)) return malformed;
  const year_month_day date{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
  if (!date.ok()) return malformed;
  return UtcTime{sys_days{date} + hours{h} + minutes{mi} + seconds{s} - seconds{offset}};
}

std::string to_rfc3339_micros(UnixMicros micros) {
  using namespace std::chrono;
  const auto point = sys_time<microseconds>{microseconds{micros}};
  const auto second = floor<seconds>(point);
  std::string text = to_rfc3339(second);
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%06dZ", static_cast<int>((point - second).count()));
  text.pop_back();
  return text + fraction;
}

}  // namespace muster
