// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "auth-plugin/identity_state.h"
#include "auth-plugin/parsed_chain.h"
#include "core/id.h"

namespace muster::auth_plugin {

// tenant_that_signed tells whose business a refused certificate is: the tenant one of whose CA keys (ours or of its own
// PKI) signed it, directly or through the certificates presented with it, whatever else is wrong with the chain. Names
// are not believed, and nothing but a record in that tenant's lifecycle stream may follow from the answer. nullopt:
// nobody's, or more than one tenant's. Verifies a bounded number of signatures.
std::optional<TenantId> tenant_that_signed(const ParsedChain& chain, const IdentityState& state);

}  // namespace muster::auth_plugin
