// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace muster::x509 {

// AlgorithmPolicy says which keys and signatures may carry a path. By default those of PublicKey (x509/public_key.h).
struct AlgorithmPolicy {
  // Also RSA from 1024 bits, DSA, and SHA-1 signatures: for verifying archives and test vectors. No configuration of
  // the product sets it.
  bool allow_legacy = false;
};

}  // namespace muster::x509
