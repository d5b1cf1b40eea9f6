// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the end of a renewed certificate. The old one works until the new one has connected once, or until its own
// end; then it is revoked as superseded.
//
// That a device connected, an edge says (lifecycle stream), so what follows is bounded: only certificates of a tenant
// that the edge serves, only of a device that has a newer active certificate of the same profile, and that one stays.
// A stolen edge can thereby cost a device of its own tenants the older of two certificates before it has stored the
// newer; a tenant for which that is too much sets superseding to "never".
#pragma once

#include <cstddef>

#include "core/result.h"

namespace muster::enroll {

class RegistrationAuthority;

// Works off the connects since the last call, a bounded number; returns how many records it took, so that the caller
// goes on until it is 0. Several servers may call it at once. Audited as certificate.supersede.
Result<std::size_t> supersede_renewed(RegistrationAuthority& authority);

}  // namespace muster::enroll
