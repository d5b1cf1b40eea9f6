// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace muster {

// Certificate and database time: RFC 5280 has no fractions.
using UtcTime = std::chrono::sys_seconds;
// Record time: microseconds since the Unix epoch, UTC.
using UnixMicros = std::int64_t;

// to_rfc3339 writes "2026-11-22T17:30:00Z".
std::string to_rfc3339(UtcTime time);
// Accepts RFC 3339 with "Z" or a numeric offset; fractions are truncated. Reason: time.malformed.
Result<UtcTime> parse_rfc3339(std::string_view text);
// to_rfc3339_micros writes six digits of fraction.
std::string to_rfc3339_micros(UnixMicros micros);

}  // namespace muster
