// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/bytes.h"
#include "core/result.h"
#include "core/secret_bytes.h"

namespace muster::ca {

// DeviceKeyPair is a key that the server made for a device which cannot make one (RFC 7030 §4.4).
struct DeviceKeyPair {
  SecretBytes pkcs8;  // PrivateKeyInfo (RFC 5958), DER, not encrypted
  Bytes request;      // PKCS#10 with an empty subject, signed with it, DER
};

// make_device_key_pair makes a P-256 key. It is kept nowhere. Reason: internal.
Result<DeviceKeyPair> make_device_key_pair();

}  // namespace muster::ca
