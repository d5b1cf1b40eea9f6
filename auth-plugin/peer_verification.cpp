// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/peer_verification.h"

#include <utility>

#include "auth-plugin/external_peer.h"
#include "auth-plugin/reasons.h"
#include "x509/device_chain.h"
#include "x509/reasons.h"

namespace muster::auth_plugin {
namespace {

Error refused(std::string_view reason) { return Error{ErrorCode::kPermissionDenied, reason, {}}; }

struct Terms {
  const TrustDomain& trust_domain;
  UtcTime now;
  x509::SignatureMemory* memory;
};

// Certificates that we issued.
Result<PeerEvidence> verify_own(const ParsedChain& chain, const IdentityState& state, const Terms& terms) {
  const std::optional<TenantId>& by_name = chain.presented().tenant;
  std::vector<Anchor> anchors = state.anchors->candidates(chain.issuer_names());
  if (anchors.empty()) return refused(x509::reasons::kChainAnchorUnknown);
  if (by_name) std::erase_if(anchors, [&](const Anchor& anchor) { return anchor.tenant_id != *by_name; });
  std::vector<x509::TrustAnchor> trust;
  for (const Anchor& anchor : anchors) trust.push_back(anchor.trust);

  MUSTER_TRY(const auto device, x509::verify_device_chain(x509::ParsedDeviceChain{.leaf = *chain.leaf(),
                                                                                  .intermediates = chain.others(),
                                                                                  .anchors = trust,
                                                                                  .trust_domain = terms.trust_domain,
                                                                                  .now = terms.now,
                                                                                  .memory = terms.memory}));
  const Anchor& anchor = anchors.at(device.anchor_index);
  const Sha256 key = anchor.trust.certificate().spki_sha256();
  if (!by_name) {
    for (const edge::IssuerFacts& issuer : state.view->find_issuers_by_key(key)) {
      const bool active = issuer.status == edge::EntityStatus::kActive;
      if (active && issuer.tenant_id != anchor.tenant_id) return refused(reasons::kIssuerAmbiguous);
    }
  }
  const auto tenant = state.view->find_tenant(anchor.tenant_id);
  // A tenant's sub-CA may sign any name; only the owner of the anchored key may be in it.
  if (!tenant || tenant->name != device.principal.tenant.text()) return refused(reasons::kTenantMismatch);
  return PeerEvidence{.certificate_id = device.certificate_id,
                      .principal = device.principal,
                      .tenant_id = anchor.tenant_id,
                      .issuer_id = anchor.issuer_id,
                      .anchor_key = key,
                      .not_after = device.not_after,
                      .credential_id = device.certificate_id,
                      .tenant_by_name = by_name.has_value()};
}

}  // namespace

Result<PeerEvidence> verify_peer(const ParsedChain& chain, const IdentityState& state, const TrustDomain& trust_domain,
                                 UtcTime now, x509::SignatureMemory* memory) {
  MUSTER_TRY_VOID(chain.readable());
  auto verified = verify_own(chain, state, {trust_domain, now, memory});
  if (!verified.ok()) {
    auto external = verify_external_peer(chain, state, now, memory);
    if (external) verified = std::move(*external);
  }
  if (verified.ok()) verified->serial = chain.leaf()->serial_hex();
  return verified;
}

}  // namespace muster::auth_plugin
