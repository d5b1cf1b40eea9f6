// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "auth-plugin/session.h"
#include "core/time.h"

namespace muster::auth_plugin {

enum class AclAccess : std::uint8_t {
  kPublish,
  kWill,      // a will is sent: the connection is closing or gone
  kRetained,  // may the sender of a retained message still send it
  kReceive,
  kSubscribe,
};

// decide_acl returns "" to allow or the reason to deny. The session's standing must be of the present generation.
// At most some 150 ns; does not allocate.
std::string_view decide_acl(const Session& session, AclAccess access, std::string_view topic, UtcTime now);

}  // namespace muster::auth_plugin
