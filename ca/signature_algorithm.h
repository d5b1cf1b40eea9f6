// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/bytes.h"
#include "x509/public_key.h"

namespace muster::ca {

// signature_algorithm is the AlgorithmIdentifier (DER) with which a CA's key of that kind signs: ecdsa-with-SHA384 for
// P-384, ecdsa-with-SHA256 for P-256. Static storage. CAs have no other keys.
BytesView signature_algorithm(x509::KeyAlgorithm algorithm);

}  // namespace muster::ca
