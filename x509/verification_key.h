// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "core/bytes.h"
#include "core/result.h"
#include "x509/algorithm_policy.h"
#include "x509/public_key.h"

namespace muster::x509 {

// VerificationKey verifies signatures of certificates and CRLs: a PublicKey, or a key that only
// AlgorithmPolicy::allow_legacy admits. Immutable, thread-safe, cheap to copy.
class VerificationKey {
 public:
  explicit VerificationKey(PublicKey key) : key_(std::move(key)) {}
  // `spki` is DER. Reasons: those of PublicKey::parse.
  static Result<VerificationKey> parse(BytesView spki, const AlgorithmPolicy& policy);
  // As PublicKey::verification_cost.
  unsigned verification_cost() const { return key_ ? key_->verification_cost() : kLegacyCost; }
  // As PublicKey::verify.
  Result<void> verify(BytesView signature_algorithm, BytesView message, BytesView signature) const;

 private:
  static constexpr unsigned kLegacyCost = 8;
  explicit VerificationKey(std::shared_ptr<evp_pkey_st> legacy) : legacy_(std::move(legacy)) {}
  std::optional<PublicKey> key_;
  std::shared_ptr<evp_pkey_st> legacy_;
};

}  // namespace muster::x509
