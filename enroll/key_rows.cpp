// SPDX-License-Identifier: Apache-2.0
#include "enroll/key_rows.h"

#include "ca/reasons.h"

namespace muster::enroll {

registry::WrappedKey key_row(const registry::Issuer& issuer, const ca::GeneratedKey& key) {
  return {key.id,
          issuer.tenant_id,
          issuer.id,
          key.spki_sha256,
          key.kek_id,
          key.wrapped,
          std::string(ca::to_string(key.store)),
          key.token_reference};
}

Result<ca::StoredKey> stored_key(const registry::WrappedKey& row, const Sha256& spki_sha256) {
  const auto store = ca::parse_key_store_kind(row.store);
  if (!store) return Error{ErrorCode::kFailedPrecondition, ca::reasons::kSignerStoreNotConfigured, row.store};
  return ca::StoredKey{row.id, spki_sha256, row.blob, *store, row.token_reference};
}

}  // namespace muster::enroll
