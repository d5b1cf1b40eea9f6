// SPDX-License-Identifier: Apache-2.0
//
// Purpose: turns readings into normalised records: one CloudEvent in JSON each (docs/formats/record.md).
#pragma once

#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/record.h"
#include "ingest/telemetry.h"

namespace muster::ingest {

// The mapping that is built in. Mappings of tenants will have names of their own.
inline constexpr std::string_view kBuiltinMapping = "builtin-1";

// EventWriter keeps its buffer between calls. Confined to one thread.
class EventWriter {
 public:
  // write returns the event of `reading`, valid until the next call. `index` numbers the outputs of `source`, from 0:
  // incarnation, sequence and index are the event's id for ever. A reading without a time has the receive time.
  std::string_view write(const RecordView& source, std::size_t index, const Reading& reading);

 private:
  void add_text(std::string_view text);
  void add_time(UnixMicros micros);
  void add_value(const MeasuredValue& value);
  void add_measurement(const Measurement& measurement, UnixMicros time);
  void add_id(const RawId& id);
  std::string out_;
};

}  // namespace muster::ingest
