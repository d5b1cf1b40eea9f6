// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "enroll/authority_context.h"

namespace muster::enroll {

// validate_certificate says what a broker would say of a certificate of this tenant at a time, with all findings.
// See RegistrationAuthority::validate.
Result<ValidationAnswer> validate_certificate(AuthorityContext& context, const Caller& caller,
                                              const ValidationRequest& request);

}  // namespace muster::enroll
