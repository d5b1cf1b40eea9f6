// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the form in which private keys lie in the database (design.md §5). Big-endian, no padding:
//
//   "MKEY" | version u8 = 1 | algorithm u8 = 1 (AES-256-GCM for both layers) | KEK id (8)
//   | nonce (12) | data key, wrapped by the KEK (32) | tag (16)
//   | nonce (12) | PKCS#8 PrivateKeyInfo, encrypted with the data key (n) | tag (16)
//
// Both layers authenticate: the first 14 octets | deployment length u16 | deployment | tenant id | issuer id | key id
// | SHA-256 of the SPKI. So a blob moved to another row, tenant or deployment does not open.
#pragma once

#include <optional>
#include <string>

#include "ca/key_encryption_key.h"
#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/result.h"
#include "core/secret_bytes.h"

namespace muster::ca {

struct KeyBinding {
  std::string deployment;  // trust domain of the deployment
  TenantId tenant;         // nil: the platform's own
  IssuerId issuer;
  KeyId key;
  Sha256 spki_sha256{};
};

// kek_id_of reads off which key-encryption key a blob needs. Absent: these octets are no blob of a known version.
std::optional<KeyEncryptionKey::Id> kek_id_of(BytesView blob);

// wrap_private_key encrypts `pkcs8` with a fresh data key. Reason: internal.
Result<Bytes> wrap_private_key(const KeyEncryptionKey& kek, const KeyBinding& binding, BytesView pkcs8);

// unwrap_private_key says key.unwrap_failed for every fault: another KEK, another binding, damage.
Result<SecretBytes> unwrap_private_key(const KeyEncryptionKey& kek, const KeyBinding& binding, BytesView blob);

}  // namespace muster::ca
