// SPDX-License-Identifier: Apache-2.0
#include "core/record.h"

#include <bit>
#include <cstring>
#include <limits>

namespace muster {
namespace {

static_assert(std::endian::native == std::endian::little, "record v1 is little-endian and is written by memcpy");

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kRetainFlag = 0x01;
constexpr unsigned kQosShift = 1;
constexpr std::uint8_t kQosMask = 0x03;
constexpr std::uint8_t kKnownFlags = 0x07;
constexpr std::size_t kConnectionIdOffset = 64;
constexpr std::size_t kConnectionStartOffset = 80;
constexpr std::size_t kReceiveTimeOffset = 88;
constexpr std::size_t kCertificateIdOffset = 104;
constexpr std::size_t kMaxNameLength = std::numeric_limits<std::uint16_t>::max();
// MQTT's Remaining Length ends at 268,435,455 octets; nothing longer can have come from a device.
constexpr std::size_t kMaxPayloadLength = 268'435'455;
// A header costs at least its two length fields; checked before the list is reserved.
constexpr std::size_t kMinHeaderSize = sizeof(std::uint16_t) + sizeof(std::uint32_t);

template <typename T>
void put(std::uint8_t* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

template <typename T>
T get(const std::uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <typename Length>
std::uint8_t* put_field(std::uint8_t* at, const void* bytes, std::size_t size) {
  put(at, static_cast<Length>(size));
  at += sizeof(Length);
  if (size != 0) std::memcpy(at, bytes, size);
  return at + size;
}

// The encoded size, or 0 where a field is over its width.
std::size_t encoded_size(const RecordView& r) {
  if (r.tenant.size() > kMaxNameLength || r.device.size() > kMaxNameLength || r.topic.size() > kMaxNameLength) return 0;
  if (r.headers.size() > kMaxNameLength || r.payload.size() > kMaxPayloadLength) return 0;
  std::size_t size = kRecordFixedSize + 3 * sizeof(std::uint16_t) + r.tenant.size() + r.device.size() + r.topic.size() +
                     sizeof(std::uint32_t) + r.payload.size();
  for (const RecordHeaderView& header : r.headers) {
    if (header.name.size() > kMaxNameLength || header.value.size() > kMaxPayloadLength) return 0;
    size += kMinHeaderSize + header.name.size() + header.value.size();
  }
  return size;
}

void put_fixed_part(std::uint8_t* at, const RecordView& r) {
  at[0] = kVersion;
  at[1] = static_cast<std::uint8_t>(r.kind);
  at[2] = static_cast<std::uint8_t>((r.retain ? kRetainFlag : 0) | (r.qos << kQosShift));
  at[3] = 0;  // compression: none
  put(at + 4, r.lane);
  put(at + 6, static_cast<std::uint16_t>(r.headers.size()));
  put(at + kRecordSequenceOffset, r.sequence);
  std::memcpy(at + kRecordIncarnationOffset, r.incarnation.octets().data(), 16);
  std::memcpy(at + kRecordTenantIdOffset, r.tenant_id.octets().data(), 16);
  std::memcpy(at + kRecordDeviceIdOffset, r.device_id.octets().data(), 16);
  std::memcpy(at + kConnectionIdOffset, r.connection_id.octets().data(), 16);
  put(at + kConnectionStartOffset, r.connection_start);
  put(at + kReceiveTimeOffset, r.receive_time);
  put(at + kRecordAppendTimeOffset, r.append_time);
  std::memcpy(at + kCertificateIdOffset, r.certificate_id.data(), r.certificate_id.size());
}

RecordView fixed_part(const std::uint8_t* at) {
  RecordView r;
  r.kind = static_cast<RecordKind>(at[1]);
  r.retain = (at[2] & kRetainFlag) != 0;
  r.qos = (at[2] >> kQosShift) & kQosMask;
  r.lane = get<std::uint16_t>(at + 4);
  r.sequence = get<std::uint64_t>(at + kRecordSequenceOffset);
  r.incarnation = IncarnationId::from_octets(at + kRecordIncarnationOffset);
  r.tenant_id = TenantId::from_octets(at + kRecordTenantIdOffset);
  r.device_id = DeviceId::from_octets(at + kRecordDeviceIdOffset);
  r.connection_id = ConnectionId::from_octets(at + kConnectionIdOffset);
  r.connection_start = get<UnixMicros>(at + kConnectionStartOffset);
  r.receive_time = get<UnixMicros>(at + kReceiveTimeOffset);
  r.append_time = get<UnixMicros>(at + kRecordAppendTimeOffset);
  std::memcpy(r.certificate_id.data(), at + kCertificateIdOffset, r.certificate_id.size());
  return r;
}

template <typename Length>
bool take_field(BytesView& rest, BytesView& field) {
  if (rest.size() < sizeof(Length)) return false;
  const std::size_t size = get<Length>(rest.data());
  rest = rest.subspan(sizeof(Length));
  if (size > rest.size()) return false;
  field = rest.first(size);
  rest = rest.subspan(size);
  return true;
}

bool take_text(BytesView& rest, std::string_view& text) {
  BytesView field;
  if (!take_field<std::uint16_t>(rest, field)) return false;
  text = as_text(field);
  return true;
}

bool take_headers(BytesView& rest, std::size_t count, std::vector<RecordHeaderView>& headers) {
  if (count > rest.size() / kMinHeaderSize) return false;  // a forged count must not make us allocate
  headers.resize(count);
  for (RecordHeaderView& header : headers) {
    BytesView value;
    if (!take_text(rest, header.name) || !take_field<std::uint32_t>(rest, value)) return false;
    header.value = as_text(value);
  }
  return true;
}

bool is_known_kind(std::uint8_t kind) {
  return kind >= static_cast<std::uint8_t>(RecordKind::kPublish) &&
         kind <= static_cast<std::uint8_t>(RecordKind::kDenial);
}

Error malformed(const char* what) { return {ErrorCode::kCorrupt, "record.malformed", what}; }

}  // namespace

Result<void> append_record(Bytes& out, const RecordView& record) {
  const std::size_t size = record.qos > 2 ? 0 : encoded_size(record);
  if (size == 0) return Error{ErrorCode::kInvalidArgument, "record.too_large", {}};
  const std::size_t start = out.size();
  out.resize(start + size);
  std::uint8_t* at = out.data() + start;
  put_fixed_part(at, record);
  at += kRecordFixedSize;
  at = put_field<std::uint16_t>(at, record.tenant.data(), record.tenant.size());
  at = put_field<std::uint16_t>(at, record.device.data(), record.device.size());
  at = put_field<std::uint16_t>(at, record.topic.data(), record.topic.size());
  for (const RecordHeaderView& header : record.headers) {
    at = put_field<std::uint16_t>(at, header.name.data(), header.name.size());
    at = put_field<std::uint32_t>(at, header.value.data(), header.value.size());
  }
  put_field<std::uint32_t>(at, record.payload.data(), record.payload.size());
  return {};
}

Result<RecordView> decode_record(BytesView encoded) {
  if (encoded.empty()) return malformed("empty");
  if (encoded[0] != kVersion) {
    return Error{ErrorCode::kUnsupported, "record.version_unsupported", std::to_string(encoded[0])};
  }
  if (encoded.size() < kRecordFixedSize) return malformed("shorter than the fixed part");
  if (!is_known_kind(encoded[1])) return malformed("kind");
  const std::uint8_t flags = encoded[2];
  if ((flags & ~kKnownFlags) != 0 || (flags >> kQosShift) > 2) return malformed("flags");
  if (encoded[3] != 0) return malformed("compression");
  RecordView record = fixed_part(encoded.data());
  BytesView rest = encoded.subspan(kRecordFixedSize);
  if (!take_text(rest, record.tenant) || !take_text(rest, record.device) || !take_text(rest, record.topic)) {
    return malformed("names");
  }
  if (!take_headers(rest, get<std::uint16_t>(encoded.data() + 6), record.headers)) return malformed("headers");
  if (!take_field<std::uint32_t>(rest, record.payload) || record.payload.size() > kMaxPayloadLength) {
    return malformed("payload");
  }
  if (!rest.empty()) return malformed("octets after the payload");
  return record;
}

}  // namespace muster
