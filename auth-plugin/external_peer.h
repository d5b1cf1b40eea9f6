// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "auth-plugin/identity_state.h"
#include "auth-plugin/parsed_chain.h"
#include "auth-plugin/peer_evidence.h"
#include "core/time.h"
#include "x509/signature_memory.h"

namespace muster::auth_plugin {

// verify_external_peer judges a chain that could be read by the trust anchors of the tenants' own PKI: of the tenant
// that the server name picked, or of all. nullopt: no anchor is called as the chain wants, so there is nothing to say.
// Where two tenants' anchors verify the chain and no server name picked one, it is refused as ambiguous. Reasons: those
// of x509::judge_external_chain, issuer.ambiguous, trust_anchor.suspended, tenant.unknown.
std::optional<Result<PeerEvidence>> verify_external_peer(const ParsedChain& chain, const IdentityState& state,
                                                         UtcTime now, x509::SignatureMemory* memory);

}  // namespace muster::auth_plugin
