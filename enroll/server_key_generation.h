// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/secret_bytes.h"
#include "enroll/registration_authority.h"

namespace muster::enroll {

struct KeyAndCertificate {
  SecretBytes pkcs8;  // PrivateKeyInfo, DER: for the device alone; nothing here keeps it
  IssuedCertificate certificate;
};

// generate_key_and_enroll makes a key for a device that cannot (RFC 7030 §4.4) and enrols it; `request.csr` is not
// looked at. Off unless the tenant's settings say otherwise. Reasons: est.serverkeygen_off, those of
// RegistrationAuthority::enroll.
Result<KeyAndCertificate> generate_key_and_enroll(RegistrationAuthority& authority, const Caller& caller,
                                                  EnrollRequest request);

}  // namespace muster::enroll
