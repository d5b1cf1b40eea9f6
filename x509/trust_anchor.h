// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "core/bytes.h"
#include "core/result.h"
#include "x509/certificate.h"
#include "x509/public_key.h"

namespace muster::x509 {

// TrustAnchor is a CA certificate whose *key* somebody trusts, with that key loaded. Making one costs some tens of
// microseconds, so callers keep it. Immutable, thread-safe, cheap to copy.
class TrustAnchor {
 public:
  // Refuses what is not a CA certificate with keyCertSign: a CA:FALSE anchor would let its holder sign devices
  // (CVE-2025-6037). Reasons: those of Certificate::parse_der and PublicKey::parse, chain.anchor_not_a_ca.
  static Result<TrustAnchor> parse_der(BytesView der);

  const Certificate& certificate() const { return state_->certificate; }
  const PublicKey& key() const { return state_->key; }

 private:
  struct State {
    Certificate certificate;
    PublicKey key;
  };
  explicit TrustAnchor(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace muster::x509
