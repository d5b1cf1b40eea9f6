// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace muster::enroll {

// is_device_pattern tells whether `text` is 1 to 128 characters of a device's name (core/identity.h) and '*'.
bool is_device_pattern(std::string_view text);

// device_pattern_matches: '*' stands for any number of characters, everything else for itself; nothing escapes, since
// no device's name holds a '*'. At most |pattern| × |name| steps.
bool device_pattern_matches(std::string_view pattern, std::string_view name);

}  // namespace muster::enroll
