// SPDX-License-Identifier: Apache-2.0
#include "core/limits.h"

#include <algorithm>
#include <array>
#include <limits>

namespace muster {
namespace {

constexpr std::uint32_t kMillion = 1'000'000;
constexpr std::uint32_t kAnyOctets = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kLargestPayload = 268'435'455;  // MQTT's remaining length [MQTT5 1.5.5]
constexpr std::size_t kEncodedField = 5;

constexpr std::array kFields = {
    LimitField{"connections", 1, &Limits::connections, 1, 10 * kMillion, false, true},
    LimitField{"connects_per_minute", 2, &Limits::connects_per_minute, 1, 60 * kMillion, true, true},
    LimitField{"connect_burst", 3, &Limits::connect_burst, 1, 10 * kMillion, true, true},
    LimitField{"publish_messages_per_second", 4, &Limits::publish_messages_per_second, 1, 10 * kMillion, true, true},
    LimitField{"publish_messages_burst", 5, &Limits::publish_messages_burst, 1, 10 * kMillion, true, true},
    LimitField{"publish_octets_per_second", 6, &Limits::publish_octets_per_second, 1, kAnyOctets, true, true},
    LimitField{"publish_octets_burst", 7, &Limits::publish_octets_burst, 1, kAnyOctets, true, true},
    LimitField{"payload_octets", 8, &Limits::payload_octets, 0, kLargestPayload, true, false},
    LimitField{"in_flight", 9, &Limits::in_flight, 1, 65'535, true, false},
    LimitField{"subscriptions", 10, &Limits::subscriptions, 0, 256, true, false},
    LimitField{"queued_messages", 11, &Limits::queued_messages, 0, kMillion, true, false},
};

struct Bucket {
  std::optional<std::uint32_t> Limits::*rate;
  std::optional<std::uint32_t> Limits::*burst;
};
constexpr std::array kBuckets = {
    Bucket{&Limits::connects_per_minute, &Limits::connect_burst},
    Bucket{&Limits::publish_messages_per_second, &Limits::publish_messages_burst},
    Bucket{&Limits::publish_octets_per_second, &Limits::publish_octets_burst},
};

bool is_of(const LimitField& field, LimitScope scope) {
  return scope == LimitScope::kDevice ? field.of_device : field.of_tenant;
}

Error unknown(std::string_view name) {
  return Error{ErrorCode::kInvalidArgument, "limits.name_unknown", std::string(name)};
}

Result<void> check_value(const LimitField& field, std::int64_t value) {
  if (value >= field.least && value <= field.most) return {};
  return Error{
      ErrorCode::kInvalidArgument, "limits.out_of_range",
      std::string(field.name) + " must be from " + std::to_string(field.least) + " to " + std::to_string(field.most)};
}

std::optional<std::uint32_t> smaller(std::optional<std::uint32_t> a, std::optional<std::uint32_t> b) {
  if (!a) return b;
  return b ? std::min(*a, *b) : a;
}

}  // namespace

std::span<const LimitField> limit_fields() { return kFields; }

Result<void> set_limit(Limits& limits, LimitScope scope, std::string_view name, std::int64_t value) {
  const auto field = std::ranges::find(kFields, name, &LimitField::name);
  if (field == kFields.end() || !is_of(*field, scope)) return unknown(name);
  MUSTER_TRY_VOID(check_value(*field, value));
  limits.*(field->member) = static_cast<std::uint32_t>(value);
  return {};
}

Result<void> check_limits(const Limits& limits, LimitScope scope) {
  for (const LimitField& field : kFields) {
    const auto& value = limits.*(field.member);
    if (!value) continue;
    if (!is_of(field, scope)) return unknown(field.name);
    MUSTER_TRY_VOID(check_value(field, *value));
  }
  for (const Bucket& bucket : kBuckets) {
    if (!(limits.*(bucket.burst)) || limits.*(bucket.rate)) continue;
    const auto field = std::ranges::find(kFields, bucket.burst, &LimitField::member);
    return Error{ErrorCode::kInvalidArgument, "limits.burst_without_rate", std::string(field->name)};
  }
  return {};
}

Limits strictest(const Limits& a, const Limits& b) {
  Limits merged;
  for (const LimitField& field : kFields) merged.*(field.member) = smaller(a.*(field.member), b.*(field.member));
  for (const Bucket& bucket : kBuckets) {
    const auto burst_of = [&](const Limits& limits) {
      return limits.*(bucket.burst) ? limits.*(bucket.burst) : limits.*(bucket.rate);
    };
    if (a.*(bucket.burst) || b.*(bucket.burst)) merged.*(bucket.burst) = smaller(burst_of(a), burst_of(b));
  }
  return merged;
}

std::string to_json_text(const Limits& limits) {
  std::string text = "{";
  for (const LimitField& field : kFields) {
    const auto& value = limits.*(field.member);
    if (!value) continue;
    if (text.size() > 1) text += ',';
    text.append("\"").append(field.name).append("\":").append(std::to_string(*value));
  }
  return text + "}";
}

std::string to_json_text(const TenantLimits& limits) {
  std::string text = "{";
  if (limits.total != Limits{}) text += "\"total\":" + to_json_text(limits.total);
  if (limits.device != Limits{})
    text += (text.size() > 1 ? ",\"device\":" : "\"device\":") + to_json_text(limits.device);
  return text + "}";
}

Bytes encode(const Limits& limits) {
  Bytes bytes;
  for (const LimitField& field : kFields) {
    const auto& value = limits.*(field.member);
    if (!value) continue;
    bytes.push_back(field.number);
    for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<std::uint8_t>(*value >> shift));
  }
  return bytes;
}

std::optional<Limits> decode_limits(BytesView bytes) {
  if (bytes.size() % kEncodedField != 0) return std::nullopt;
  Limits limits;
  std::uint8_t last = 0;
  for (; !bytes.empty(); bytes = bytes.subspan(kEncodedField)) {
    const std::uint8_t number = bytes[0];
    if (number <= last) return std::nullopt;
    last = number;
    const auto field = std::ranges::find(kFields, number, &LimitField::number);
    if (field == kFields.end()) continue;
    std::uint32_t value = 0;
    for (int i = 3; i >= 0; --i) value = value << 8 | bytes[static_cast<std::size_t>(1 + i)];
    if (value < field->least || value > field->most) return std::nullopt;
    limits.*(field->member) = value;
  }
  return limits;
}

Bytes encode(const TenantLimits& limits) {
  if (limits == TenantLimits{}) return {};
  const Bytes total = encode(limits.total);
  const Bytes device = encode(limits.device);
  Bytes bytes = {static_cast<std::uint8_t>(total.size()), static_cast<std::uint8_t>(total.size() >> 8)};
  bytes.insert(bytes.end(), total.begin(), total.end());
  bytes.insert(bytes.end(), device.begin(), device.end());
  return bytes;
}

std::optional<TenantLimits> decode_tenant_limits(BytesView bytes) {
  if (bytes.empty()) return TenantLimits{};
  if (bytes.size() < 2) return std::nullopt;
  const std::size_t total_size = bytes[0] | static_cast<std::size_t>(bytes[1]) << 8;
  bytes = bytes.subspan(2);
  if (bytes.size() < total_size) return std::nullopt;
  const auto total = decode_limits(bytes.first(total_size));
  const auto device = decode_limits(bytes.subspan(total_size));
  if (!total || !device) return std::nullopt;
  return TenantLimits{*total, *device};
}

}  // namespace muster
