// SPDX-License-Identifier: Apache-2.0
//
// Purpose: MQTT Topic Names and Topic Filters (MQTT 5 §4.7).
#pragma once

#include <optional>
#include <string_view>

namespace muster {

inline constexpr std::size_t kMaxTopicLength = 1024;  // octets; MQTT allows 65,535, no device needs it
inline constexpr int kMaxTopicLevels = 32;

// is_valid_topic_name: 1 to kMaxTopicLength octets of UTF-8 without NUL or control characters, no '+' or '#', at most
// kMaxTopicLevels levels.
bool is_valid_topic_name(std::string_view name);

// is_valid_topic_filter: as above, '+' and '#' only as whole levels, '#' only as the last. Shared filters are valid in
// their stripped form only.
bool is_valid_topic_filter(std::string_view filter);

// strip_share returns the Topic Filter of "$share/{group}/{filter}", nullopt where that form is broken, and any other
// filter unchanged [MQTT5 4.8.2].
std::optional<std::string_view> strip_share(std::string_view filter);

// filter_matches tells whether `name` matches `filter`. A wildcard in the first level does not match a name that starts
// with '$' [MQTT5 4.7.2]. Both must be valid.
bool filter_matches(std::string_view filter, std::string_view name);

// filter_covers tells whether every name that matches `inner` also matches `outer`.
bool filter_covers(std::string_view outer, std::string_view inner);

}  // namespace muster
