// SPDX-License-Identifier: Apache-2.0
#include "ingest/telemetry_time.h"

#include <charconv>
#include <cmath>

namespace muster::ingest {
namespace {

constexpr double kLeastSeconds = 268'435'456;     // 2^28
constexpr double kMostSeconds = 253'402'300'799;  // 9999-12-31T23:59:59Z
constexpr std::int64_t kMicrosPerSecond = 1'000'000;

// Digits after the '.', as microseconds; further digits are dropped.
std::int64_t fraction_micros(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return 0;
  std::int64_t micros = 0;
  std::int64_t unit = kMicrosPerSecond / 10;
  for (std::size_t i = dot + 1; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i, unit /= 10) {
    micros += (text[i] - '0') * unit;
  }
  return micros;
}

}  // namespace

std::optional<UnixMicros> telemetry_time(double number) {
  // Seconds reach the year 5138 before they look like milliseconds, which begin in 1973, and so on upwards.
  constexpr double most_seconds = 1e11;
  double seconds = number;
  if (number >= most_seconds * 1e6) {
    seconds = number / 1e9;
  } else if (number >= most_seconds * 1e3) {
    seconds = number / 1e6;
  } else if (number >= most_seconds) {
    seconds = number / 1e3;
  }
  if (!(seconds >= kLeastSeconds) || seconds > kMostSeconds) return std::nullopt;
  if (number >= most_seconds * 1e3 && number < most_seconds * 1e6) return static_cast<UnixMicros>(number);
  return static_cast<UnixMicros>(std::llround(seconds * 1e6));
}

std::optional<UnixMicros> telemetry_time(std::string_view text) {
  if (const auto time = parse_rfc3339(text); time.ok()) {
    return time->time_since_epoch().count() * kMicrosPerSecond + fraction_micros(text);
  }
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return telemetry_time(number);
}

}  // namespace muster::ingest
