// SPDX-License-Identifier: Apache-2.0
//
// Purpose: judges a certificate of a customer's own PKI by path from one anchor of one tenant. The broker plugin, the
// server's registration of devices and its validations run this code, so that they say the same.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/identity.h"
#include "core/record.h"
#include "core/time.h"
#include "x509/certificate.h"
#include "x509/chain_finding.h"
#include "x509/external_identity.h"
#include "x509/signature_memory.h"
#include "x509/trust_anchor.h"

namespace muster::x509 {

inline constexpr std::size_t kMaxAnchorIntermediates = 4;       // that come with an anchor
inline constexpr std::size_t kMaxExternalSignatureChecks = 16;  // for one judgement

enum class ExpiredCrl : std::uint8_t {
  kNotUsed = 0,        // no CRL was ever held or asked for
  kFailClosed = 1,     // without a current CRL of the leaf's issuer nobody gets in
  kLastKnownGood = 2,  // the last one counts on, with an alarm
};

struct CrlDeadline {
  Sha256 issuer_key{};  // SPKI hash of who signed the CRL
  UtcTime next_update{};
  friend bool operator==(const CrlDeadline&, const CrlDeadline&) = default;
};

struct ExternalAnchor {
  TrustAnchor trust;
  std::vector<Certificate> intermediates;
  DeviceIdRule rule;
  ExpiredCrl expired_crl = ExpiredCrl::kNotUsed;
  std::vector<CrlDeadline> crls;
  std::vector<RevocationKey> revoked;  // sorted
};

struct ExternalChain {
  std::size_t signature_checks = 0;            // what the judgement cost
  std::size_t signature_cost = 0;              // likewise, in PublicKey::verification_cost
  bool anchored = false;                       // a path to the anchor's key was found, whatever is wrong with it
  std::vector<ChainFinding> findings;          // empty means valid
  UtcTime not_after{};                         // earliest of the path
  std::optional<DeviceName> device;            // where it could be read
  std::vector<RevocationKey> revocation_keys;  // of the path: any of them revoked refuses it
  bool valid() const { return anchored && findings.empty(); }
};

// What one judgement may spend.
struct SignatureAllowance {
  std::size_t checks = kMaxExternalSignatureChecks;
  std::size_t cost = 150;             // in PublicKey::verification_cost
  SignatureMemory* memory = nullptr;  // of signatures that were checked before; nullptr: none
};

// judge_external_chain verifies the path for a TLS client, reads the device id, and looks at revocations and the age of
// CRLs at `now`. A leaf without extended key usage, or without key usage, is not restricted by them [RFC5280 4.2.1.3,
// 4.2.1.12]: device certificates of other CAs often have neither. Findings besides those of validate_path:
// chain.too_many_presented, chain.leaf_is_ca, chain.key_usage_missing, external.device_id_*, external.revoked,
// external.crl_missing, external.crl_expired. Thread-safe.
ExternalChain judge_external_chain(const Certificate& leaf, std::span<const Certificate> presented,
                                   const ExternalAnchor& anchor, UtcTime now, const SignatureAllowance& allowance = {});

// is_revoked tells whether one of `keys` is in `revoked` (sorted).
bool is_revoked(std::span<const RevocationKey> keys, std::span<const RevocationKey> revoked);

}  // namespace muster::x509
