// SPDX-License-Identifier: Apache-2.0
//
// Purpose: decodes JSON telemetry as devices send it.
//
//   {"temperature":21.5,"wifi":{"rssi":-60}}          one reading; nested names are dotted: wifi.rssi
//   {"temperature":{"value":21.5,"unit":"Cel"}}       a value with its unit
//   {"name":"temperature","value":21.5,"unit":"Cel"}  one named measurement; SenML's n, v, vs, vb, u, t, bn, bt, bu too
//   [{…},{…}] or {"readings":[{…},{…}]}               several readings; named measurements in an array are one reading
//   21.5, true, "text"                                a measurement called "value"
//
// A reading's own time is its member "time", "timestamp" or "ts": RFC 3339, or seconds, milliseconds, microseconds or
// nanoseconds since 1970, told apart by magnitude. A number below 2^28 is no time since 1970 (RFC 8428 §4.5.3): in a
// SenML record it is relative to the receive time, elsewhere it is a measurement. null is skipped.
#pragma once

#include <memory>

#include "core/bytes.h"
#include "core/result.h"
#include "ingest/telemetry.h"

namespace muster::ingest {

// Keeps its buffers between calls. Confined to one thread.
class JsonTelemetryDecoder {
 public:
  JsonTelemetryDecoder();
  ~JsonTelemetryDecoder();
  // decode returns at least one measurement, or why not: the decode.* reasons of reasons.h but decode.record_malformed.
  // The result is valid until the next call.
  Result<const Telemetry*> decode(BytesView payload, UnixMicros receive_time);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace muster::ingest
