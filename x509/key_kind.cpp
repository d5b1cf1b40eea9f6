// SPDX-License-Identifier: Apache-2.0
#include "x509/key_kind.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "x509/openssl_ptr.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

struct KindRow {
  KeyKind kind;
  KeyAlgorithm algorithm;
  unsigned rsa_bits;
  std::string_view name;
};

constexpr KindRow kKinds[] = {
    {KeyKind::kP256, KeyAlgorithm::kP256, 0, "p-256"},
    {KeyKind::kP384, KeyAlgorithm::kP384, 0, "p-384"},
    {KeyKind::kEd25519, KeyAlgorithm::kEd25519, 0, "ed25519"},
    {KeyKind::kRsa2048, KeyAlgorithm::kRsa, 2048, "rsa-2048"},
    {KeyKind::kRsa3072, KeyAlgorithm::kRsa, 3072, "rsa-3072"},
    {KeyKind::kRsa4096, KeyAlgorithm::kRsa, 4096, "rsa-4096"},
    {KeyKind::kMlDsa44, KeyAlgorithm::kMlDsa44, 0, "ml-dsa-44"},
    {KeyKind::kMlDsa65, KeyAlgorithm::kMlDsa65, 0, "ml-dsa-65"},
    {KeyKind::kMlDsa87, KeyAlgorithm::kMlDsa87, 0, "ml-dsa-87"},
};
constexpr std::string_view kRsaName = "rsa";

const KindRow& row_of(KeyKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

bool library_offers(const char* signature_name) {
  EVP_SIGNATURE* found = EVP_SIGNATURE_fetch(nullptr, signature_name, nullptr);
  if (found == nullptr) take_openssl_error();
  EVP_SIGNATURE_free(found);
  return found != nullptr;
}

}  // namespace

std::string_view to_string(KeyKind kind) { return row_of(kind).name; }

std::optional<KeyKind> parse_key_kind(std::string_view name) {
  for (const KindRow& row : kKinds) {
    if (row.name == name) return row.kind;
  }
  return std::nullopt;
}

std::string_view to_string(KeyAlgorithm algorithm) {
  if (algorithm == KeyAlgorithm::kRsa) return kRsaName;
  for (const KindRow& row : kKinds) {
    if (row.algorithm == algorithm) return row.name;
  }
  return {};
}

std::optional<KeyAlgorithm> parse_key_algorithm(std::string_view name) {
  if (name == kRsaName) return KeyAlgorithm::kRsa;
  for (const KindRow& row : kKinds) {
    if (row.rsa_bits == 0 && row.name == name) return row.algorithm;
  }
  return std::nullopt;
}

KeyAlgorithm algorithm_of(KeyKind kind) { return row_of(kind).algorithm; }
unsigned rsa_bits(KeyKind kind) { return row_of(kind).rsa_bits; }

const char* ml_dsa_name(KeyAlgorithm algorithm) {
  switch (algorithm) {
    case KeyAlgorithm::kMlDsa44: return "ML-DSA-44";
    case KeyAlgorithm::kMlDsa65: return "ML-DSA-65";
    case KeyAlgorithm::kMlDsa87: return "ML-DSA-87";
    case KeyAlgorithm::kP256:
    case KeyAlgorithm::kP384:
    case KeyAlgorithm::kEd25519:
    case KeyAlgorithm::kRsa: break;
  }
  return nullptr;
}

Error algorithm_unavailable(std::string_view algorithm, std::string_view provider) {
  std::string detail{provider};
  detail.append(" does not offer ").append(algorithm);
  return {ErrorCode::kUnsupported, reasons::kKeyAlgorithmUnavailable, std::move(detail)};
}

Result<void> require_available(KeyAlgorithm algorithm) {
  const char* name = ml_dsa_name(algorithm);
  if (name == nullptr || library_offers(name)) return {};
  return algorithm_unavailable(name, OpenSSL_version(OPENSSL_VERSION));
}

}  // namespace muster::x509
