// SPDX-License-Identifier: Apache-2.0
//
// Purpose: how much a device, or all devices of a tenant together, may ask of a broker. One type for the three places
// that set limits (the platform, a tenant, a policy), for the JSON in which they are written, for the octets in which a
// snapshot carries them, and for the plugin that holds them.
//
// Which limit counts: of the platform's, the tenant's and the policy's, the strictest of each field by itself; a field
// that nobody sets is no limit (what the broker's own configuration says holds in any case). Limits only ever take
// away, so the order of merging does not matter.
//   JSON name                    of      least..most    meaning
//   connections                  tenant  1..10 million  live connections; a device has one, by its client id
//   connects_per_minute          both    1..60 million  accepted CONNECTs
//   connect_burst                both    1..10 million  CONNECTs at once; absent: as many as connects_per_minute
//   publish_messages_per_second  both    1..10 million  PUBLISH packets, whatever becomes of them
//   publish_messages_burst       both    1..10 million  PUBLISH packets at once; absent: one second's
//   publish_octets_per_second    both    1..4 GiB - 1   octets of Topic Name and payload
//   publish_octets_burst         both    1..4 GiB - 1   octets at once; absent: one second's
//   payload_octets               device  0..268435455   of one PUBLISH
//   in_flight                    device  1..65535       QoS 1 PUBLISH packets not acknowledged yet
//   subscriptions                device  0..256         Topic Filters held at the same time
//   queued_messages              device  0..1000000     messages kept for a device while it is not connected
//
// A burst says how much may come at once after a pause. What is larger than the burst passes when its bucket is full,
// and what that overdraws must flow in again first.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/result.h"

namespace muster {

struct Limits {
  std::optional<std::uint32_t> connections;
  std::optional<std::uint32_t> connects_per_minute;
  std::optional<std::uint32_t> connect_burst;
  std::optional<std::uint32_t> publish_messages_per_second;
  std::optional<std::uint32_t> publish_messages_burst;
  std::optional<std::uint32_t> publish_octets_per_second;
  std::optional<std::uint32_t> publish_octets_burst;
  std::optional<std::uint32_t> payload_octets;
  std::optional<std::uint32_t> in_flight;
  std::optional<std::uint32_t> subscriptions;
  std::optional<std::uint32_t> queued_messages;
  friend bool operator==(const Limits&, const Limits&) = default;
};

// Whom a document of limits is about: each device by itself, or all devices of a tenant together.
enum class LimitScope : std::uint8_t { kDevice = 1, kTenant = 2 };

// What a tenant's record holds.
struct TenantLimits {
  Limits total;   // scope kTenant
  Limits device;  // scope kDevice: for each of its devices
  friend bool operator==(const TenantLimits&, const TenantLimits&) = default;
};

struct LimitField {
  std::string_view name;    // in JSON
  std::uint8_t number = 0;  // in octets; never used again for another field
  std::optional<std::uint32_t> Limits::*member = nullptr;
  std::uint32_t least = 0;
  std::uint32_t most = 0;
  bool of_device = false;
  bool of_tenant = false;
};

// All fields by ascending number.
std::span<const LimitField> limit_fields();

// set_limit sets the field of that JSON name.
// Reasons: limits.name_unknown (also: not a limit of this scope), limits.out_of_range. `limits` is unchanged then.
Result<void> set_limit(Limits& limits, LimitScope scope, std::string_view name, std::int64_t value);

// check_limits looks at values that were set otherwise, and at what only shows when all are there.
// Reasons: those of set_limit, limits.burst_without_rate.
Result<void> check_limits(const Limits& limits, LimitScope scope);

// strictest takes the smaller value of each field. A burst that is not set counts as its default (see above) where the
// other one is set, so that merging never allows more than either.
Limits strictest(const Limits& a, const Limits& b);

// {"connections":5,…}: fields that are set, by number, without white space. "{}": none is.
std::string to_json_text(const Limits& limits);
// {"total":{…},"device":{…}}: parts that set nothing are left out. "{}": neither does.
std::string to_json_text(const TenantLimits& limits);

// Octets: for each field that is set, by ascending number, the number (1 octet) and the value (4, little-endian).
// Nothing at all where no field is set. decode_limits skips numbers that a later version added; nullopt: broken form.
Bytes encode(const Limits& limits);
std::optional<Limits> decode_limits(BytesView bytes);
// Octets: length of the first part (2, little-endian), total, device. Nothing at all where neither sets anything.
Bytes encode(const TenantLimits& limits);
std::optional<TenantLimits> decode_tenant_limits(BytesView bytes);

}  // namespace muster
