// SPDX-License-Identifier: Apache-2.0
#include "ingest/normalizer.h"

#include <algorithm>
#include <charconv>

#include "ingest/reasons.h"

namespace muster::ingest {
namespace {

// Names and headers stand in each of a record's events: a few long headers must not become gigabytes.
constexpr std::size_t kMaxRepeatedOctets = 16u << 20;
// Of what is no record v1 this much is kept. No edge of ours writes longer ones.
constexpr std::size_t kMaxUnreadableOctets = 16u << 20;
constexpr std::size_t kMaxHeaders = 1000;  // the broker passes on 32

// What can still be said of octets that are no record v1: the ids, where the database has checked them, and the whole
// of it as payload.
RecordView unreadable(BytesView raw) {
  RecordView record;
  if (raw.size() >= kRecordDeviceIdOffset + 16) {
    record.incarnation = IncarnationId::from_octets(raw.data() + kRecordIncarnationOffset);
    record.tenant_id = TenantId::from_octets(raw.data() + kRecordTenantIdOffset);
    record.device_id = DeviceId::from_octets(raw.data() + kRecordDeviceIdOffset);
  }
  record.payload = raw.first(std::min(raw.size(), kMaxUnreadableOctets));
  return record;
}

}  // namespace

Result<std::string_view> Normalizer::process(BytesView raw, Transaction& out) {
  auto record = decode_record(raw);
  std::string_view reason;
  if (!record.ok()) {
    reason = reasons::kRecordMalformed;
    MUSTER_TRY_VOID(produce_dead_letter(unreadable(raw), reason, out));
    return reason;
  }
  // An output has a few headers more, and a record that cannot be put out would stop its partition for ever.
  if (record->headers.size() > kMaxHeaders) {
    reason = reasons::kTooManyHeaders;
    MUSTER_TRY_VOID(produce_dead_letter(unreadable(raw), reason, out));
    return reason;
  }
  const auto telemetry = decoder_.decode(record->payload, record->receive_time);
  const std::size_t repeated = raw.size() - record->payload.size();
  if (!telemetry.ok()) {
    reason = telemetry.error().reason;
  } else if (repeated * (*telemetry)->size() > kMaxRepeatedOctets) {
    reason = reasons::kOutputTooLarge;
  } else {
    MUSTER_TRY_VOID(produce_events(*record, **telemetry, out));
    return reason;
  }
  MUSTER_TRY_VOID(produce_dead_letter(std::move(*record), reason, out));
  return reason;
}

Result<void> Normalizer::produce_events(const RecordView& source, const Telemetry& telemetry, Transaction& out) {
  RecordView event = source;
  event.headers.clear();
  event.append_time = 0;
  char index_text[24];
  event.headers = {
      {"content-type", "application/cloudevents+json"}, {"mapping-version", kBuiltinMapping}, {"output-index", {}}};
  const std::size_t own_headers = event.headers.size();
  for (const RecordHeaderView& header : source.headers) {
    if (header.name != "content-type") event.headers.push_back(header);  // unknown headers survive
  }
  for (std::size_t index = 0; index < telemetry.size(); ++index) {
    const auto end = std::to_chars(index_text, index_text + sizeof index_text, index).ptr;
    event.headers[own_headers - 1].value = {index_text, static_cast<std::size_t>(end - index_text)};
    event.payload = as_bytes(writer_.write(source, index, telemetry[index]));
    MUSTER_TRY_VOID(produce(Stream::kNormalized, event, out));
  }
  return {};
}

Result<void> Normalizer::produce_dead_letter(RecordView source, std::string_view reason, Transaction& out) {
  source.append_time = 0;
  source.headers.push_back({"reason", reason});
  source.headers.push_back({"mapping-version", kBuiltinMapping});
  return produce(Stream::kDeadLetters, source, out);
}

Result<void> Normalizer::produce(Stream stream, const RecordView& record, Transaction& out) {
  encoded_.clear();
  MUSTER_TRY_VOID(append_record(encoded_, record));
  key_.assign(record.tenant).append("/").append(record.device);
  return out.produce(stream, key_, encoded_);
}

}  // namespace muster::ingest
