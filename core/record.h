// SPDX-License-Identifier: Apache-2.0
//
// Purpose: record v1, the form in which a message travels from the broker plugin through the WAL and the log to the
// workers. The grammar, widths and the unknown-field rule stand in docs/formats/record.md; golden files beside it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"
#include "core/time.h"

namespace muster {

using Sha256 = std::array<std::uint8_t, 32>;

enum class RecordKind : std::uint8_t {
  kPublish = 1,
  kWill = 2,
  kConnect = 3,
  kDisconnect = 4,
  kDenial = 5,  // header "reason" says why; topic is what was asked for
};

struct RecordHeaderView {
  std::string_view
      name;  // "content-type", "response-topic", "correlation-data", "traceparent", "reason", or "user:" + name
  std::string_view value;
};

// RecordView is a decoded record. It views the encoded octets, which must outlive it (headers too: they own only the
// list).
struct RecordView {
  RecordKind kind = RecordKind::kPublish;
  std::uint8_t qos = 0;
  bool retain = false;
  std::uint16_t lane = 0;
  IncarnationId incarnation;
  std::uint64_t sequence = 0;  // (incarnation, sequence) names the record for ever
  TenantId tenant_id;
  DeviceId device_id;
  ConnectionId connection_id;
  UnixMicros connection_start = 0;
  UnixMicros receive_time = 0;  // when the broker saw it
  UnixMicros append_time = 0;   // when the log stored it, 0 before
  Sha256 certificate_id{};      // SHA-256 of the leaf's DER
  std::string_view tenant;
  std::string_view device;
  std::string_view topic;
  std::vector<RecordHeaderView> headers;
  BytesView payload;
};

// append_record appends the encoding of `record` to `out`. Reason: record.too_large (a name, topic, header or the
// payload over its width); `out` is then unchanged.
Result<void> append_record(Bytes& out, const RecordView& record);

// decode_record reads one whole record. Reasons: record.malformed, record.version_unsupported.
Result<RecordView> decode_record(BytesView encoded);

// Fixed offsets inside an encoded record, for stages that stamp or route without decoding.
inline constexpr std::size_t kRecordSequenceOffset = 8;
inline constexpr std::size_t kRecordIncarnationOffset = 16;
inline constexpr std::size_t kRecordTenantIdOffset = 32;
inline constexpr std::size_t kRecordDeviceIdOffset = 48;
inline constexpr std::size_t kRecordAppendTimeOffset = 96;
inline constexpr std::size_t kRecordFixedSize = 136;

}  // namespace muster
