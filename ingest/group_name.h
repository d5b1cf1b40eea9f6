// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "core/result.h"

namespace muster::ingest {

// check_group_name accepts 1 to 64 of [A-Za-z0-9._-]. Reason: group.name_invalid.
Result<void> check_group_name(std::string_view name);

}  // namespace muster::ingest
