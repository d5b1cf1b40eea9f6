// SPDX-License-Identifier: Apache-2.0
#include "ca/key_encryption_key.h"

#include <algorithm>

#include "ca/reasons.h"
#include "x509/sha256.h"

namespace muster::ca {

namespace {
constexpr std::size_t kKeySize = 32;
constexpr std::string_view kIdLabel = "muster kek id v1";
}  // namespace

Result<KeyEncryptionKey> KeyEncryptionKey::from_bytes(BytesView octets) {
  if (octets.size() != kKeySize) return Error{ErrorCode::kInvalidArgument, reasons::kKekInvalid, {}};
  Bytes labelled = to_bytes(kIdLabel);
  labelled.insert(labelled.end(), octets.begin(), octets.end());
  const SecretBytes input{std::move(labelled)};
  const Sha256 digest = x509::sha256(input.view());
  Id id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return KeyEncryptionKey{SecretBytes{Bytes(octets.begin(), octets.end())}, id};
}

}  // namespace muster::ca
