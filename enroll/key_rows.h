// SPDX-License-Identifier: Apache-2.0
//
// Purpose: between a key as ca/ describes it and its row in the registry.
#pragma once

#include "ca/key_store.h"
#include "core/result.h"
#include "registry/issuer_store.h"
#include "registry/wrapped_key_store.h"

namespace muster::enroll {

registry::WrappedKey key_row(const registry::Issuer& issuer, const ca::GeneratedKey& key);

// The result views `row`. `spki_sha256` is that of the issuer's certificate, so a row that names another key does not
// load. Reason: signer.store_not_configured (a store that this version does not know).
Result<ca::StoredKey> stored_key(const registry::WrappedKey& row, const Sha256& spki_sha256);

}  // namespace muster::enroll
