// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the immutable 128-bit ids that every tenant, device, issuer, key, edge … has beside its name. A name may be
// used again after deletion; an id never is, so nothing old matches something new of the same name.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/result.h"

namespace muster {

// RawId is 16 octets in network order, written as a UUID ("8-4-4-4-12" lower-case hexadecimal).
struct RawId {
  std::array<std::uint8_t, 16> octets{};
  friend auto operator<=>(const RawId&, const RawId&) = default;
  friend bool operator==(const RawId&, const RawId&) = default;
};

RawId random_raw_id();  // version 4 (RFC 9562 §5.4): 122 random bits from the kernel
std::string to_uuid_text(const RawId& id);
// Accepts exactly the form that to_uuid_text writes. Reason: id.malformed.
Result<RawId> parse_raw_id(std::string_view text);

// Id is a RawId with a tag, so that a tenant's id cannot be passed where a device's is meant.
template <typename Tag>
class Id {
 public:
  Id() = default;  // the nil id: matches no entity
  explicit Id(RawId raw) : raw_(raw) {}
  static Id random() { return Id{random_raw_id()}; }
  static Result<Id> parse(std::string_view text) {
    MUSTER_TRY(const RawId raw, parse_raw_id(text));
    return Id{raw};
  }
  static Id from_octets(const std::uint8_t* octets) {
    RawId raw;
    std::memcpy(raw.octets.data(), octets, raw.octets.size());
    return Id{raw};
  }
  const RawId& raw() const { return raw_; }
  BytesView octets() const { return raw_.octets; }
  std::string text() const { return to_uuid_text(raw_); }
  bool is_nil() const { return raw_ == RawId{}; }
  friend auto operator<=>(const Id&, const Id&) = default;
  friend bool operator==(const Id&, const Id&) = default;

 private:
  RawId raw_;
};

using TenantId = Id<struct TenantIdTag>;
using DeviceId = Id<struct DeviceIdTag>;
using IssuerId = Id<struct IssuerIdTag>;
using KeyId = Id<struct KeyIdTag>;
using EdgeId = Id<struct EdgeIdTag>;
using PolicyId = Id<struct PolicyIdTag>;
using TokenId = Id<struct TokenIdTag>;
using BatchId = Id<struct BatchIdTag>;
using IncarnationId = Id<struct IncarnationIdTag>;  // one start of the broker plugin
using ConnectionId = Id<struct ConnectionIdTag>;    // one MQTT connection

}  // namespace muster

template <typename Tag>
struct std::hash<muster::Id<Tag>> {
  std::size_t operator()(const muster::Id<Tag>& id) const noexcept {
    std::size_t h = 0;  // ids are random: their first octets are as good as any hash
    std::memcpy(&h, id.raw().octets.data(), sizeof h);
    return h;
  }
};
