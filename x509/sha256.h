// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/bytes.h"
#include "core/record.h"

namespace muster::x509 {

// sha256 hashes `bytes` in one go. Aborts if OpenSSL cannot provide SHA-256.
Sha256 sha256(BytesView bytes);

}  // namespace muster::x509
