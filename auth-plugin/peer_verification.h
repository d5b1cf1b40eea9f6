// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "auth-plugin/identity_state.h"
#include "auth-plugin/parsed_chain.h"
#include "auth-plugin/peer_evidence.h"
#include "core/identity.h"
#include "core/result.h"
#include "core/time.h"
#include "x509/signature_memory.h"

namespace muster::auth_plugin {

// verify_peer judges the chain of a client certificate: who its holder is, by whose word, until when. Certificates that
// we issued come first, then those of the tenants' own PKI: nothing that a tenant anchors changes what becomes of ours.
// Whether the registry lists the certificate is decide_connect's question (auth-plugin/registry_standing.h).
//
// No signature that verified before is checked again where there is a `memory`. What is left costs at most some 30 ms,
// whatever is presented.
//
// Reasons: x509/reasons.h, issuer.ambiguous, tenant.mismatch, trust_anchor.suspended, tenant.unknown.
Result<PeerEvidence> verify_peer(const ParsedChain& chain, const IdentityState& state, const TrustDomain& trust_domain,
                                 UtcTime now, x509::SignatureMemory* memory = nullptr);

}  // namespace muster::auth_plugin
