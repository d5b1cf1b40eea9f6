// SPDX-License-Identifier: Apache-2.0
#include "edge/external_trust.h"

#include <algorithm>

#include "edge/wire.h"

namespace muster::edge {
namespace {

constexpr std::uint8_t kReportsUnknown = 1;  // flag
constexpr std::uint8_t kMostExpiredCrl = 2;

const Error kBroken{ErrorCode::kCorrupt, "snapshot.corrupt", "an anchor's rules are broken"};

}  // namespace

Result<Bytes> encode_external_trust(const ExternalTrust& trust) {
  Bytes out;
  WireWriter w{out};
  w.u8(static_cast<std::uint8_t>(trust.source));
  w.u8(trust.reports_unknown ? kReportsUnknown : 0);
  w.u8(trust.expired_crl);
  w.text16(trust.prefix);
  w.count16(trust.intermediates.size());
  for (const Bytes& der : trust.intermediates) w.text16(as_text(der));
  w.count16(trust.crls.size());
  for (const auto& crl : trust.crls) {
    w.octets(crl.issuer_key);
    w.i64(crl.next_update.time_since_epoch().count());
  }
  w.u32(static_cast<std::uint32_t>(trust.revoked.size()));
  for (const auto& key : trust.revoked) w.octets(key);
  if (!w.fits() || trust.revoked.size() > kMaxRevokedKeys || out.size() > kMaxExternalTrust) {
    return Error{ErrorCode::kResourceExhausted, "snapshot.limit_exceeded", "an anchor's rules are too large"};
  }
  return out;
}

Result<ExternalTrust> decode_external_trust(BytesView bytes) {
  WireReader in{bytes};
  ExternalTrust trust;
  const std::uint8_t source = in.u8();
  trust.source = static_cast<DeviceIdSource>(source);
  const std::uint8_t flags = in.u8();
  trust.reports_unknown = (flags & kReportsUnknown) != 0;
  trust.expired_crl = in.u8();
  trust.prefix = in.text16();
  for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left) {
    trust.intermediates.push_back(to_bytes(in.text16()));
  }
  for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left) {
    const Sha256 key = in.array<32>();
    trust.crls.push_back({key, UtcTime{std::chrono::seconds{in.i64()}}});
  }
  const std::uint32_t revoked = in.u32();
  if (!in.ok() || revoked > kMaxRevokedKeys || revoked > in.rest().size() / 16) return kBroken;
  trust.revoked.reserve(revoked);
  for (std::uint32_t i = 0; i < revoked; ++i) trust.revoked.push_back(in.array<16>());
  // A rule that we do not know might be one that refuses: such an anchor is no anchor here.
  const bool known =
      to_string(trust.source) != "" && (flags & ~kReportsUnknown) == 0 && trust.expired_crl <= kMostExpiredCrl;
  if (!in.ok() || !known || !std::ranges::is_sorted(trust.revoked)) return kBroken;
  return trust;
}

}  // namespace muster::edge
