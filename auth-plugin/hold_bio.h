// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "auth-plugin/hold_connection.h"

struct ssl_st;

namespace muster::auth_plugin {

// install_hold_bio puts a filter in front of the connection's socket that offers every outgoing TLS record to `hold`.
// False where it could not, or where the connection carries one already: SIGHUP makes the broker ask for the same
// connection again, and a second filter would send records out of order.
bool install_hold_bio(ssl_st* connection, const std::shared_ptr<HoldConnection>& hold);

}  // namespace muster::auth_plugin
