// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "auth-plugin/identity_state.h"
#include "auth-plugin/peer_evidence.h"
#include "auth-plugin/tls_hook.h"
#include "core/time.h"
#include "x509/certificate.h"

namespace muster::auth_plugin {

// A presented chain whose certificates were read. Views.
struct ParsedChain {
  const PresentedChain& presented;
  const x509::Certificate& leaf;
  const std::vector<x509::Certificate>& others;
  std::vector<BytesView> issuer_names() const;
};

// verify_external_peer judges a chain by the trust anchors of the tenants' own PKI: of the tenant that the server name
// picked, or of all. nullopt: no anchor is called as the chain wants, so there is nothing to say. Where two tenants'
// anchors verify the chain and no server name picked one, it is refused as ambiguous.
// Reasons: those of x509::judge_external_chain, issuer.ambiguous, trust_anchor.suspended, tenant.unknown.
std::optional<Result<PeerEvidence>> verify_external_peer(const ParsedChain& parsed, const IdentityState& state,
                                                         UtcTime now, x509::SignatureMemory* memory);

}  // namespace muster::auth_plugin
