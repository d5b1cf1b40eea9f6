// SPDX-License-Identifier: Apache-2.0
//
// Purpose: owns TLS verification inside the stock broker, through OpenSSL's public ex_data constructors: the broker's
// SSL objects pass through here before their handshake, and get our verification, a demand for a certificate, and no
// session resumption (a resumed session shows a certificate that nobody proved).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "auth-plugin/handshake_gate.h"
#include "auth-plugin/peer_evidence.h"
#include "core/bytes.h"
#include "core/result.h"

struct ssl_st;
struct x509_st;

namespace muster::auth_plugin {

struct PresentedChain {
  BytesView leaf;                     // DER
  std::span<const BytesView> others;  // DER, as presented, without the leaf
  std::optional<TenantId> tenant;     // picked by the TLS server name
  std::string address;                // of the peer, for the log
};

// What the hook asks; called on the broker's thread, inside the handshake.
class HandshakeJudge {
 public:
  virtual ~HandshakeJudge() = default;
  virtual Result<PeerEvidence> judge(const PresentedChain& chain) = 0;
  // When the holder of a certificate that was judged to be in order may be let in: for most the past.
  virtual HandshakeGate::Time may_return(const PeerEvidence& evidence) = 0;
  // Tenant of a TLS server name: nullopt where the name says nothing. Reason: tenant.unknown.
  virtual Result<std::optional<TenantId>> tenant_of_server_name(std::string_view name) = 0;
  virtual bool uses_server_names() const = 0;
  // OpenSSL itself ended a handshake, before or without our verification. `tenant`: picked by the TLS server name.
  virtual void handshake_refused(std::string_view reason, std::string_view address,
                                 const std::optional<TenantId>& tenant) = 0;
};

// install_tls_hook registers with OpenSSL, once per process, before the broker makes its SSL objects. The registration
// cannot be taken back: after remove_tls_judge() every handshake is refused. `gate` hears of every connection until its
// CONNECT is accepted. Reason: internal.
Result<void> install_tls_hook(HandshakeJudge& judge, HandshakeGate& gate);
void remove_tls_judge();

// Once in each round of the broker's loop: whoever was accepted since the last one gets its place in the gate, also
// when it has not said anything yet (mosquitto 2.1 begins a handshake with the first octet, earlier ones at once).
void admit_newcomers();

// What our own verification of this handshake left on the broker's leaf certificate. `connection` is nullptr once the
// broker has freed it.
struct ProvedPeer {
  const PeerEvidence* evidence = nullptr;
  ssl_st* connection = nullptr;
  bool resumed = false;
};
// nullopt: this certificate did not go through our verification in this connection.
std::optional<ProvedPeer> proved_peer(x509_st* leaf);

// The connection's CONNECT was accepted: its place in the gate is free, and what its handshake proved is forgotten.
void connection_opened(ssl_st* connection);

// Text form of the peer's address; "" where there is none.
std::string peer_address_of(int fd);

// Descriptor of the connection's socket, -1 where there is none.
int socket_of(ssl_st* connection);

}  // namespace muster::auth_plugin
