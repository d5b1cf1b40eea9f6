// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the only place that turns answers into mosquitto's return codes. The broker gives them effects that their
// names do not suggest, so each event has its own function.
#pragma once

#include "auth-plugin/gatekeeper.h"

namespace muster::auth_plugin {

// BASIC_AUTH: refusal is CONNACK 5 (MQTT 3.1.1) or 0x87 Not authorized (MQTT 5). Any other code would close the socket
// without a CONNACK.
int connect_code(bool accepted);
// BASIC_AUTH where the client has its CONNACK from us: the socket is closed without another.
int answered_connect_code();
// ACL_CHECK: any code but these two would hurt the publisher of a message that somebody else may not receive.
int acl_code(bool allowed);
// ACL_CHECK of a PUBLISH over a limit: disconnects without an acknowledgement; MQTT 5 gets DISCONNECT 0x80 where it has
// none from us.
int limit_code(PublishLimit limit);
// MESSAGE: kCut disconnects without an acknowledgement (MQTT 5: DISCONNECT 0x80). ACL_DENIED would acknowledge the
// message to an MQTT 3.1.1 client, which then believes it stored.
int message_code(PublishAnswer answer);

}  // namespace muster::auth_plugin
