// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "core/time.h"

namespace muster::ingest {

// telemetry_time reads a number of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by
// magnitude; nullopt for a number below 2^28 (RFC 8428 §4.5.3: not since 1970) or beyond the year 9999.
std::optional<UnixMicros> telemetry_time(double number);

// telemetry_time reads RFC 3339 with its fraction, or the decimal text of such a number.
std::optional<UnixMicros> telemetry_time(std::string_view text);

}  // namespace muster::ingest
