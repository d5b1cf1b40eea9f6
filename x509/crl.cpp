// SPDX-License-Identifier: Apache-2.0
#include "x509/crl.h"

#include "x509/crl_reader.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

constexpr std::uint8_t kUriTag = 6;

// What our own CRLs never are: partial by anything but a distribution point with one URI.
bool is_foreign_kind(const CrlDocument& document) {
  const CrlScope& scope = document.scope;
  const bool one_uri = scope.names.size() == 1 && scope.names.front().tag == kUriTag;
  return document.unknown_critical || document.base_number_hex || document.only_attribute_certificates ||
         scope.only_user_certificates || scope.only_ca_certificates || scope.indirect ||
         scope.reasons != kAllRevocationReasons || (scope.is_distribution_point && !one_uri);
}

Bytes copy(BytesView view) { return {view.begin(), view.end()}; }

}  // namespace

Result<Crl> Crl::parse_der(BytesView der) {
  MUSTER_TRY(CrlDocument document, read_crl(der));
  if (!document.is_v2 || !document.next_update) {
    return Error{ErrorCode::kInvalidArgument, reasons::kCrlMalformed, {}};
  }
  if (is_foreign_kind(document)) return Error{ErrorCode::kInvalidArgument, reasons::kCrlExtensionUnsupported, {}};
  Crl crl;
  crl.tbs = copy(document.tbs);
  crl.issuer = copy(document.issuer);
  crl.signature_algorithm = copy(document.signature_algorithm);
  crl.signature = copy(document.signature);
  crl.this_update = document.this_update;
  crl.next_update = *document.next_update;
  crl.number_hex = std::move(document.number_hex);
  if (document.scope.is_distribution_point) crl.distribution_uri = document.scope.names.front().value;
  crl.entries = std::move(document.entries);
  return crl;
}

}  // namespace muster::x509
