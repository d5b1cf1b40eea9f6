// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"

namespace muster::auth_plugin {

// HeartbeatKey is by what the plugin recognises the server's heartbeats: the public half of the deployment's Ed25519
// key, and which edge this host is. It comes from a file that `muster edge join` wrote and that the user of
// `muster edge` must not be able to change:
//
//   # comment
//   edge 0f3c1a52-…            id of this host's edge
//   ed25519 MCowBQYDK2Vw…=     public key, 32 octets (RFC 8032 §5.1.5) in base64
struct HeartbeatKey {
  EdgeId edge;
  std::array<std::uint8_t, 32> public_key{};

  // Reason: config.heartbeat_key_invalid (absent, malformed, or of another owner than root and this process's user).
  static Result<HeartbeatKey> load(const std::string& path);
  // Ed25519 (RFC 8032 §5.1.7).
  bool verifies(BytesView message, BytesView signature) const;
};

}  // namespace muster::auth_plugin
