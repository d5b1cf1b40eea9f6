// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/mqtt_reason.h"

#include <mosquitto.h>

namespace muster::auth_plugin {

int connect_code(bool accepted) { return accepted ? MOSQ_ERR_SUCCESS : MOSQ_ERR_AUTH; }

int answered_connect_code() { return MOSQ_ERR_UNKNOWN; }

int limit_code(PublishLimit limit) {
  switch (limit) {
    case PublishLimit::kWithin: return MOSQ_ERR_SUCCESS;
    case PublishLimit::kCut: return MOSQ_ERR_UNKNOWN;
    case PublishLimit::kCutAndTold: return MOSQ_ERR_AUTH;  // the broker's packet handler sends no DISCONNECT for it
  }
  return MOSQ_ERR_UNKNOWN;
}

int acl_code(bool allowed) { return allowed ? MOSQ_ERR_SUCCESS : MOSQ_ERR_ACL_DENIED; }

int message_code(PublishAnswer answer) {
  switch (answer) {
    case PublishAnswer::kAccept: return MOSQ_ERR_SUCCESS;
    case PublishAnswer::kCut: return MOSQ_ERR_UNKNOWN;
  }
  return MOSQ_ERR_UNKNOWN;
}

}  // namespace muster::auth_plugin
