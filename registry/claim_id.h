// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/id.h"

namespace muster {

using ClaimId = Id<struct ClaimIdTag>;

}  // namespace muster
