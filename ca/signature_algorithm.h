// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/bytes.h"
#include "x509/public_key.h"

// Opaque here, as in x509/public_key.h.
struct evp_md_st;

namespace muster::ca {

// signature_algorithm is the AlgorithmIdentifier (DER) with which a CA's key of that kind signs: ecdsa-with-SHA256 for
// P-256, ecdsa-with-SHA384 for P-384 [RFC5758 3.2], Ed25519 [RFC8410 3], sha256WithRSAEncryption for RSA of every size
// [RFC4055 5], ML-DSA [RFC9881 3]. Static storage.
BytesView signature_algorithm(x509::KeyAlgorithm algorithm);

// signature_digest is the hash of that algorithm; nullptr where the algorithm hashes itself.
const evp_md_st* signature_digest(x509::KeyAlgorithm algorithm);

}  // namespace muster::ca
