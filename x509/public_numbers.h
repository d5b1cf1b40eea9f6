// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the numbers inside a SubjectPublicKeyInfo, for checks of single keys. Views of `spki` (DER, well-formed).
#pragma once

#include <optional>

#include "core/bytes.h"

namespace muster::x509 {

// The contents of the modulus INTEGER (a leading zero octet stands); absent: not RSA.
std::optional<BytesView> rsa_modulus(BytesView spki);
// The 32 octets of an Ed25519 key; absent: another kind.
std::optional<BytesView> ed25519_point(BytesView spki);
// The first coordinate of an uncompressed point; absent: not a key on a named curve.
std::optional<BytesView> ec_first_coordinate(BytesView spki);

}  // namespace muster::x509
