// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the kinds of keys that Muster makes (for CAs) and accepts (of devices), with their names in configuration,
// REST and the registry.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "x509/public_key.h"

namespace muster::x509 {

// KeyKind is an algorithm with its size: what one says when a key is to be made.
enum class KeyKind : std::uint8_t {
  kP256,
  kP384,
  kEd25519,
  kRsa2048,
  kRsa3072,
  kRsa4096,
  kMlDsa44,
  kMlDsa65,
  kMlDsa87,
};

// "p-256", "p-384", "ed25519", "rsa-2048", "rsa-3072", "rsa-4096", "ml-dsa-44", "ml-dsa-65", "ml-dsa-87".
std::string_view to_string(KeyKind kind);
std::optional<KeyKind> parse_key_kind(std::string_view name);

// The same without RSA's size, for rules about keys that others made: "p-256", …, "rsa", "ml-dsa-44", ….
std::string_view to_string(KeyAlgorithm algorithm);
std::optional<KeyAlgorithm> parse_key_algorithm(std::string_view name);

KeyAlgorithm algorithm_of(KeyKind kind);
unsigned rsa_bits(KeyKind kind);  // 0: not RSA

// require_available asks the OpenSSL library that runs, not the one compiled against: ML-DSA came with 3.5.
// Reason: key.algorithm_unavailable; the detail names the library's version.
Result<void> require_available(KeyAlgorithm algorithm);
// What to say where it is not: also for other providers of keys, which name themselves.
Error algorithm_unavailable(std::string_view algorithm, std::string_view provider);

// The name under which OpenSSL knows ML-DSA of this size; nullptr for other algorithms.
const char* ml_dsa_name(KeyAlgorithm algorithm);

}  // namespace muster::x509
