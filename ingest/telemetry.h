// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what a device's payload says, in the SenML model (RFC 8428): measurements with name, value, unit and time,
// grouped into readings. Decoders fill it; it views the decoder's buffers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/time.h"

namespace muster::ingest {

// Limits of one payload: a device must not be able to make a worker slow or large.
inline constexpr std::size_t kMaxPayloadOctets = 1u << 20;
inline constexpr int kMaxJsonDepth = 32;
inline constexpr std::size_t kMaxReadings = 1000;
inline constexpr std::size_t kMaxMeasurements = 2000;  // over all readings
inline constexpr std::size_t kMaxNameOctets = 256;     // dotted names included
inline constexpr std::size_t kMaxTextOctets = 4096;

// Integers keep their 64 bits: a counter would lose its last digits in a double.
using MeasuredValue = std::variant<std::int64_t, std::uint64_t, double, bool, std::string_view>;

struct Measurement {
  std::string name;
  MeasuredValue value;
  std::string_view unit;  // empty: none given
  std::optional<UnixMicros> time;
};

struct Reading {
  std::optional<UnixMicros> time;
  std::vector<Measurement> measurements;
};

using Telemetry = std::vector<Reading>;

}  // namespace muster::ingest
