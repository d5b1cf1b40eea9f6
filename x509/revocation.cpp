// SPDX-License-Identifier: Apache-2.0
#include "x509/revocation.h"

#include <algorithm>

#include "x509/crl_reader.h"
#include "x509/distinguished_name.h"
#include "x509/path_extensions.h"

namespace muster::x509 {

namespace {

constexpr std::uint8_t kDirectoryName = 4;
constexpr std::uint8_t kRemoveFromCrl = 8;  // [RFC5280 5.3.1] in deltas: a hold was lifted

bool is_same(const GeneralName& a, const GeneralName& b) {
  if (a.tag != b.tag) return false;
  return a.tag == kDirectoryName ? is_same_name(as_bytes(a.value), as_bytes(b.value)) : a.value == b.value;
}

// RevocationCheck is one run of RFC 5280 §6.3.3. Used once.
class RevocationCheck {
 public:
  RevocationCheck(const RevocationQuery& query, std::span<const ImportedCrl> crls) : query_(query), crls_(crls) {}

  RevocationAnswer run() {
    const auto extensions = read_path_extensions(query_.certificate);
    if (!extensions.ok()) return {};
    for (const DistributionPoint& point : extensions->distribution_points) {
      // Its issuer says that other CRLs decide, and those are not followed.
      if (point.has_crl_issuer) return {};
    }
    for (const DistributionPoint& point : extensions->distribution_points) {
      if (look_up(point)) return answer_;
    }
    const DistributionPoint any{
        {{kDirectoryName, std::string(as_text(query_.certificate.issuer()))}}, kAllRevocationReasons, false};
    if (!look_up(any) && reasons_ == kAllRevocationReasons) answer_.status = RevocationStatus::kGood;
    return answer_;
  }

 private:
  // True: revoked, and answer_ says so. Else reasons_ has grown by what is known now.
  bool look_up(const DistributionPoint& point) {
    for (const ImportedCrl& crl : crls_) {
      if (crl.base_number_hex || !is_for(crl, point)) continue;
      if (const CrlEntry* entry = effective_entry(crl)) {
        answer_ = {RevocationStatus::kRevoked, entry->revoked_at, entry->reason_code};
        return true;
      }
      reasons_ |= static_cast<std::uint16_t>(crl.scope.reasons & point.reasons);
    }
    return false;
  }

  // §6.3.3 (b) and (f)
  bool is_for(const ImportedCrl& crl, const DistributionPoint& point) const {
    if (!is_current(crl) || !is_of_issuer(crl)) return false;
    if (crl.scope.only_user_certificates && query_.certificate.is_ca()) return false;
    if (crl.scope.only_ca_certificates && !query_.certificate.is_ca()) return false;
    if (!crl.scope.is_distribution_point) return true;
    return std::ranges::any_of(crl.scope.names, [&](const GeneralName& name) {
      return std::ranges::any_of(point.names, [&](const GeneralName& other) { return is_same(name, other); });
    });
  }

  bool is_current(const ImportedCrl& crl) const {
    if (crl.this_update > query_.now) return false;
    return query_.accept_expired || !crl.next_update || *crl.next_update >= query_.now;
  }

  // One name can belong to two CAs: the CRL must hang on the issuer's key, or on the anchor of the same path.
  bool is_of_issuer(const ImportedCrl& crl) const {
    const bool keyed = crl.signer_spki == query_.issuer.spki_sha256() || crl.anchor_spki == query_.anchor_spki;
    return keyed && is_same_name(crl.issuer, query_.certificate.issuer());
  }

  // The certificate's entry in `complete`, as amended by its newest delta; nullptr: it is in neither.
  const CrlEntry* effective_entry(const ImportedCrl& complete) const {
    const CrlEntry* entry = complete.find(query_.certificate.serial_hex());
    const ImportedCrl* delta = newest_delta(complete);
    if (delta == nullptr) return entry;
    if (const CrlEntry* amended = delta->find(query_.certificate.serial_hex())) entry = amended;
    return entry != nullptr && entry->reason_code == kRemoveFromCrl ? nullptr : entry;
  }

  // §6.3.3 (c)
  const ImportedCrl* newest_delta(const ImportedCrl& complete) const {
    const ImportedCrl* newest = nullptr;
    for (const ImportedCrl& delta : crls_) {
      if (!delta.base_number_hex || !is_current(delta) || delta.scope != complete.scope) continue;
      if (delta.signer_spki != complete.signer_spki || !is_same_name(delta.issuer, complete.issuer)) continue;
      const bool fits = !complete.number_hex.empty() && !crl_number_less(complete.number_hex, *delta.base_number_hex) &&
                        crl_number_less(complete.number_hex, delta.number_hex);
      if (fits && (newest == nullptr || crl_number_less(newest->number_hex, delta.number_hex))) newest = &delta;
    }
    return newest;
  }

  const RevocationQuery& query_;
  std::span<const ImportedCrl> crls_;
  RevocationAnswer answer_;
  std::uint16_t reasons_ = 0;
};

}  // namespace

RevocationAnswer revocation_status(const RevocationQuery& query, std::span<const ImportedCrl> crls) {
  return RevocationCheck{query, crls}.run();
}

}  // namespace muster::x509
