// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "auth-plugin/session.h"
#include "core/time.h"
#include "core/topic_decision.h"

namespace muster::auth_plugin {

using AclAccess = TopicAccess;

// decide_acl returns "" to allow or the reason to deny: the session's standing, then core's decision about the topic.
// The standing must be of the present generation. At most some 100 ns; does not allocate.
std::string_view decide_acl(const Session& session, const TopicQuestion& question, UtcTime now);

}  // namespace muster::auth_plugin
