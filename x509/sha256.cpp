// SPDX-License-Identifier: Apache-2.0
#include "x509/sha256.h"

#include <openssl/sha.h>

namespace muster::x509 {

Sha256 sha256(BytesView bytes) {
  Sha256 digest;
  // The one-shot function has no fetch and no allocation; it cannot fail.
  SHA256(bytes.data(), bytes.size(), digest.data());
  return digest;
}

}  // namespace muster::x509
