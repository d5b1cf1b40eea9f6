// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/bytes.h"
#include "core/record.h"

namespace muster::x509 {

// sha256 hashes `bytes` in one go.
Sha256 sha256(BytesView bytes);

}  // namespace muster::x509
