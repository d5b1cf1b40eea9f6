// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what becomes of one raw record: normalised records or a dead letter. No input and no output of its own: the
// worker hands records in and gets records to produce.
#pragma once

#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/record.h"
#include "core/result.h"
#include "ingest/event_writer.h"
#include "ingest/json_telemetry.h"
#include "ingest/log.h"

namespace muster::ingest {

// Confined to one thread.
class Normalizer {
 public:
  // process decodes `raw` and produces into `out` what it became. Returns the reason of the dead letter, empty where
  // there is none. Fails only where `out` does.
  Result<std::string_view> process(BytesView raw, Transaction& out);

 private:
  Result<void> produce_events(const RecordView& source, const Telemetry& telemetry, Transaction& out);
  Result<void> produce_dead_letter(RecordView source, std::string_view reason, Transaction& out);
  Result<void> produce(Stream stream, const RecordView& record, Transaction& out);
  JsonTelemetryDecoder decoder_;
  EventWriter writer_;
  Bytes encoded_;
  std::string key_;
};

}  // namespace muster::ingest
