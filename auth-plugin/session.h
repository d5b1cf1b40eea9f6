// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth-plugin/hold_connection.h"
#include "core/id.h"
#include "core/record.h"
#include "core/time.h"
#include "edge/identity_view.h"

namespace muster::auth_plugin {

// Ids of one MQTT connection, which every record of it carries.
struct ConnectionFacts {
  ConnectionId id;
  UnixMicros start = 0;
  Sha256 certificate_id{};
  Sha256 anchor_key{};
  UtcTime not_after{};  // the session is cut after this second
  std::shared_ptr<HoldConnection> hold;
};

// What the registry says about a session in one generation of the view. Views into that IdentityView: once the
// generation is another, nothing here may be read.
struct Standing {
  std::uint64_t generation = 0;
  std::string_view device_refusal;      // "" where tenant and device are active
  std::string_view connection_refusal;  // "" where, besides, the certificate and its issuer are in order
  edge::DeviceFacts device{};
  std::string_view tenant_name;
};

// Session is what the plugin knows of one MQTT session: of a principal *and* a device id, so that a device made again
// under an old name starts with nothing. It outlives its connection, for delayed wills and queued messages.
// Confined to the broker's thread.
struct Session {
  static constexpr std::size_t kMaxSubscriptions = 256;  // further ones are denied: the broker itself has no limit

  std::string principal;  // MQTT username and Client Identifier
  TenantId tenant_id;
  DeviceId device_id;
  const void* context = nullptr;  // the broker's client object of the newest connection; compared, never followed
  // The context of an earlier device of this name: its will is not ours.
  const void* replaced_context = nullptr;
  bool online = false;
  ConnectionFacts connection;
  Standing standing;
  std::vector<std::string> subscriptions;  // filters that were allowed
  ConnectionId subscribing;                // the connection that subscribed last
  std::uint64_t offline_turn = 0;          // its place in SessionTable's list of offline sessions; 0: none
  // The broker may hold messages that it queued for an earlier device of this name: until the loop comes round, nothing
  // queued is delivered.
  bool queue_is_foreign = false;
  std::chrono::steady_clock::time_point quiet_until{};  // no further log line and record of a denial before

  std::string_view tenant_part() const { return std::string_view(principal).substr(0, principal.find('/')); }
  std::string_view device_part() const { return std::string_view(principal).substr(principal.find('/') + 1); }
};

}  // namespace muster::auth_plugin
