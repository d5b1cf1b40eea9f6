// SPDX-License-Identifier: Apache-2.0
#include "x509/trust_anchor.h"

#include "x509/reasons.h"

namespace muster::x509 {

Result<TrustAnchor> TrustAnchor::parse_der(BytesView der) {
  MUSTER_TRY(Certificate certificate, Certificate::parse_der(der));
  if (!certificate.is_ca() || !certificate.allows(KeyUsageBit::kKeyCertSign)) {
    return Error{ErrorCode::kInvalidArgument, reasons::kChainAnchorNotACa, {}};
  }
  MUSTER_TRY(PublicKey key, PublicKey::parse(certificate.spki()));
  return TrustAnchor{std::make_shared<const State>(State{std::move(certificate), std::move(key)})};
}

}  // namespace muster::x509
