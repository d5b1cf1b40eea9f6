// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/identity.h"
#include "core/record.h"
#include "core/time.h"
#include "x509/external_identity.h"

namespace muster::auth_plugin {

// What else is known of a peer whose certificate is of its tenant's own PKI.
struct ExternalEvidence {
  std::vector<x509::RevocationKey> revocation_keys;  // any of them revoked later ends the session
  std::vector<Bytes> chain;  // DER, leaf first; only where the anchor wants to hear of devices that are not registered
};

// PeerEvidence is what the TLS handshake proved about the peer. It hangs on the broker's own leaf certificate, so it is
// there exactly where this handshake verified this certificate, and nowhere else.
struct PeerEvidence {
  Sha256 certificate_id{};
  Principal principal;  // from the certificate; the registry's word counts
  TenantId tenant_id;   // owner of the anchor
  IssuerId issuer_id;   // the anchor
  Sha256 anchor_key{};  // SHA-256 of its SubjectPublicKeyInfo
  UtcTime not_after{};  // earliest of the path, inclusive
  // What the registry's list must name: the certificate itself, or (external) the device by this anchor.
  Sha256 credential_id{};
  bool tenant_by_name = false;                         // the TLS server name picked the tenant
  std::string serial{};                                // of the certificate, lower-case hexadecimal
  std::shared_ptr<const ExternalEvidence> external{};  // nullptr: issued by us
};

}  // namespace muster::auth_plugin
