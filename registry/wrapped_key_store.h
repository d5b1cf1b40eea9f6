// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the private keys of issuers as ca/ describes them: a wrapped blob, or the reference of a key in a token. The
// registry does not look inside. Keys of the platform: scope system; a tenant's: that tenant's scope; all: system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "db/transaction.h"

namespace muster::registry {

struct WrappedKey {
  KeyId id;
  TenantId tenant_id;  // nil: of the platform
  IssuerId issuer_id;
  Sha256 spki_sha256{};
  std::string kek_id;  // file; empty otherwise
  Bytes blob;          // file; at most 16 KiB
  std::string store = "file";
  Bytes token_reference;  // pkcs11; at most 64 octets
};

Result<void> insert_wrapped_key(db::Transaction& tx, const WrappedKey& key);
Result<WrappedKey> get_wrapped_key(db::Transaction& tx, const IssuerId& issuer);  // reason: issuer.not_found

// Scope: system. Blobs under other key-encryption keys than `kek_id`, by id, those after `after` (nil: from the start).
Result<std::vector<WrappedKey>> list_keys_not_under(db::Transaction& tx, std::string_view kek_id, const KeyId& after,
                                                    std::size_t limit);
// Scope: system. Replaces a blob unless another process has done so since it was read; false: it has.
Result<bool> rewrap_key(db::Transaction& tx, const WrappedKey& read, std::string_view kek_id, BytesView blob);

struct KeyCount {
  std::string store;
  std::string kek_id;  // empty where the store has none
  std::int64_t keys = 0;
};
// Scope: system. Everything that a key-encryption key wraps: keys of CAs, of heartbeats, of the transparency log.
Result<std::vector<KeyCount>> count_keys(db::Transaction& tx);

// Scope: system. Of all keys that lie in a token, sorted.
Result<std::vector<Bytes>> list_token_references(db::Transaction& tx);

}  // namespace muster::registry
