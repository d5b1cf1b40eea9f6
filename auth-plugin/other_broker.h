// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the plugin's decisions for a broker that is not ours and asks: the same verification of the certificate, the
// same judgement of the registry's word, the same policy. It is the only header of this folder that api/ includes.
//
// Deviation from the plugin: the TLS handshake was the other broker's. That the certificate's key was proved is its
// word, and that its listener demands certificates is its operator's duty (docs/emqx.md).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/identity.h"
#include "core/result.h"
#include "core/time.h"
#include "core/topic_decision.h"
#include "edge/identity_view.h"

namespace muster::auth_plugin {

// What is decided on: `view` is the registry's present state as far as the question needs it.
struct OtherBroker {
  const edge::IdentityView& view;
  const TrustDomain& trust_domain;
  std::optional<TenantId> tenant;  // the only one whose devices come there; as the TLS server name at our broker
  UtcTime now{};
};

// Who connects: the certificates that the other broker saw, and the names that the client gave itself.
struct OtherClient {
  std::span<const BytesView> chain;  // DER, the client's own first; empty: none
  std::string_view client_id;
  std::string_view username;  // empty: none
};

struct AdmittedClient {
  std::string principal;
  Sha256 certificate_id{};
  UtcTime not_after{};  // inclusive
};

// admit_client decides a CONNECT. Reasons: those of verify_peer and decide_connect, connect.username_mismatch (a name
// that is not the device's, by which the other broker's rules could take it for another).
Result<AdmittedClient> admit_client(const OtherBroker& broker, const OtherClient& client);

// decide_topic decides about one Topic Name (publish) or Topic Filter (subscribe) of a client that admit_client would
// let in now. Reasons: as admit_client, and the acl.* ones.
Result<void> decide_topic(const OtherBroker& broker, const OtherClient& client, const TopicQuestion& question);

// The same for a broker that does not show the certificate again: the device must have at least one of `certificates`
// (what the registry lists for it) with which it would be let in. Devices of a tenant's own PKI are refused
// (connect.certificate_missing): which certificate they came with is not known here.
Result<void> decide_topic_of_device(const OtherBroker& broker, const OtherClient& client, const DeviceId& device,
                                    std::span<const Sha256> certificates, const TopicQuestion& question);

}  // namespace muster::auth_plugin
