// SPDX-License-Identifier: Apache-2.0
#include "x509/crl_import.h"

#include <algorithm>

#include "x509/crl_reader.h"
#include "x509/distinguished_name.h"
#include "x509/reasons.h"
#include "x509/verification_key.h"

namespace muster::x509 {

namespace {

Error refuse(std::string_view reason, std::string detail = {}) {
  return Error{ErrorCode::kInvalidArgument, reason, std::move(detail)};
}

Result<void> check_issuer(const CrlDocument& crl, const Certificate& issuer) {
  if (!is_same_name(crl.issuer, issuer.subject())) return refuse(reasons::kCrlIssuerMismatch);
  // [RFC5280 6.3.3 f] "If a key usage extension is present in the CRL issuer's certificate, verify that the cRLSign bit
  // is set"
  if (issuer.has_key_usage() && !issuer.allows(KeyUsageBit::kCrlSign)) return refuse(reasons::kCrlIssuerKeyUsage);
  return {};
}

Result<void> check_kind(const CrlDocument& crl, const CrlPolicy& policy) {
  if (crl.unknown_critical) return refuse(reasons::kCrlExtensionUnsupported, *crl.unknown_critical);
  if (crl.scope.indirect && !policy.accept_own_part_of_indirect) return refuse(reasons::kCrlIndirectUnsupported);
  if (crl.only_attribute_certificates) return refuse(reasons::kCrlAttributeOnly);
  if (crl.base_number_hex && !policy.accept_delta) return refuse(reasons::kCrlDeltaUnexpected);
  const bool number_needed = policy.require_number || crl.base_number_hex;
  if (number_needed && crl.number_hex.empty()) return refuse(reasons::kCrlNumberMissing);
  if (policy.require_number && crl.number_is_critical) return refuse(reasons::kCrlExtensionUnsupported, "cRLNumber");
  return {};
}

Result<void> check_dates(const CrlDocument& crl, const CrlPolicy& policy) {
  if (crl.this_update > policy.now) return refuse(reasons::kCrlNotYetValid, to_rfc3339(crl.this_update));
  if (!crl.next_update && !policy.max_age) return refuse(reasons::kCrlNextUpdateMissing);
  if (crl.next_update && *crl.next_update < crl.this_update) return refuse(reasons::kCrlMalformed, "nextUpdate");
  if (policy.accept_expired) return {};
  if (crl.next_update && *crl.next_update < policy.now) {
    return refuse(reasons::kCrlExpired, to_rfc3339(*crl.next_update));
  }
  const bool too_old = policy.max_age && policy.now - crl.this_update > *policy.max_age;
  return too_old ? refuse(reasons::kCrlTooOld, to_rfc3339(crl.this_update)) : Result<void>{};
}

// Somebody on the way must not undo a revocation by showing an old list again.
Result<void> check_held(const CrlDocument& crl, const CrlPolicy& policy) {
  const bool numbered = !policy.held_number_hex.empty() && !crl.number_hex.empty();
  const bool lower = numbered && crl_number_less(crl.number_hex, policy.held_number_hex);
  const bool earlier = policy.held_this_update && crl.this_update < *policy.held_this_update;
  // A held number and none now: what is shown cannot be placed after what is held.
  const bool unplaced = !policy.held_number_hex.empty() && crl.number_hex.empty();
  if (lower || earlier || unplaced) return refuse(reasons::kCrlOlderThanHeld, crl.number_hex);
  return {};
}

}  // namespace

const CrlEntry* ImportedCrl::find(std::string_view serial_hex) const {
  const auto place = std::ranges::lower_bound(entries, serial_hex, {}, &CrlEntry::serial_hex);
  return place != entries.end() && place->serial_hex == serial_hex ? &*place : nullptr;
}

Result<ImportedCrl> check_crl(BytesView der, const Certificate& issuer, const CrlPolicy& policy) {
  MUSTER_TRY(CrlDocument document, read_crl(der));
  MUSTER_TRY_VOID(check_issuer(document, issuer));
  MUSTER_TRY_VOID(check_kind(document, policy));
  MUSTER_TRY_VOID(check_dates(document, policy));
  MUSTER_TRY_VOID(check_held(document, policy));
  MUSTER_TRY(const VerificationKey key, VerificationKey::parse(issuer.spki(), policy.algorithms));
  MUSTER_TRY_VOID(key.verify(document.signature_algorithm, document.tbs, document.signature));
  ImportedCrl crl;
  crl.issuer.assign(document.issuer.begin(), document.issuer.end());
  crl.signer_spki = issuer.spki_sha256();
  crl.number_hex = std::move(document.number_hex);
  crl.base_number_hex = std::move(document.base_number_hex);
  crl.this_update = document.this_update;
  crl.next_update = document.next_update;
  crl.scope = std::move(document.scope);
  crl.entries = std::move(document.entries);
  if (!std::ranges::is_sorted(crl.entries, {}, &CrlEntry::serial_hex)) {
    std::ranges::stable_sort(crl.entries, {}, &CrlEntry::serial_hex);
  }
  return crl;
}

Result<BytesView> read_crl_issuer(BytesView der) {
  MUSTER_TRY(const CrlDocument document, read_crl(der));
  return document.issuer;
}

}  // namespace muster::x509
