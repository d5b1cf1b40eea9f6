// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "core/id.h"
#include "core/identity.h"
#include "core/record.h"
#include "core/time.h"

namespace muster::auth_plugin {

// PeerEvidence is what the TLS handshake proved about the peer. It hangs on the broker's own leaf certificate, so it is
// there exactly where this handshake verified this certificate, and nowhere else.
struct PeerEvidence {
  Sha256 certificate_id{};
  Principal principal;  // from the certificate; the registry's word counts
  TenantId tenant_id;   // owner of the anchor
  IssuerId issuer_id;   // the anchor
  Sha256 anchor_key{};  // SHA-256 of its SubjectPublicKeyInfo
  UtcTime not_after{};  // earliest of the path, inclusive
};

}  // namespace muster::auth_plugin
