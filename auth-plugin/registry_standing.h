// SPDX-License-Identifier: Apache-2.0
//
// Purpose: judges a device and its certificate by the registry's word, at CONNECT and again after every change.
#pragma once

#include <string_view>

#include "auth-plugin/identity_state.h"
#include "auth-plugin/peer_evidence.h"
#include "auth-plugin/session.h"
#include "core/result.h"

namespace muster::auth_plugin {

// standing_of says what `state` thinks of a session. It allocates; callers keep the answer while the generation stays.
Standing standing_of(const IdentityState& state, const Session& session);

// Whether the registry still has them: suspended counts, retired and deleted do not, nor does a deleted tenant's
// device.
bool is_held(const IdentityState& state, const TenantId& tenant);
bool is_held(const IdentityState& state, const DeviceId& device);

struct ConnectQuestion {
  const IdentityState* state = nullptr;  // nullptr: no snapshot yet
  bool snapshot_fresh = false;
  const PeerEvidence* evidence = nullptr;  // nullptr: our handshake did not verify this certificate
  bool resumed = false;
  bool has_certificate = false;
  std::string_view client_id;
  UtcTime now{};
};

// decide_connect returns the session that may be opened, without its connection's id, start and hold.
// Reasons: auth-plugin/reasons.h, the first three groups. Any doubt is a refusal.
Result<Session> decide_connect(const ConnectQuestion& question);

}  // namespace muster::auth_plugin
