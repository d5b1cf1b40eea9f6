// SPDX-License-Identifier: Apache-2.0
#include "ca/signature_algorithm.h"

#include <openssl/evp.h>

namespace muster::ca {

using x509::KeyAlgorithm;

BytesView signature_algorithm(KeyAlgorithm algorithm) {
  static constexpr std::uint8_t kEcdsaSha256[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                                  0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
  static constexpr std::uint8_t kEcdsaSha384[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                                  0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03};
  static constexpr std::uint8_t kRsaSha256[] = {0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86,
                                                0xF7, 0x0D, 0x01, 0x01, 0x0B, 0x05, 0x00};
  static constexpr std::uint8_t kEd25519[] = {0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70};
  static constexpr std::uint8_t kMlDsa44[] = {0x30, 0x0B, 0x06, 0x09, 0x60, 0x86, 0x48,
                                              0x01, 0x65, 0x03, 0x04, 0x03, 0x11};
  static constexpr std::uint8_t kMlDsa65[] = {0x30, 0x0B, 0x06, 0x09, 0x60, 0x86, 0x48,
                                              0x01, 0x65, 0x03, 0x04, 0x03, 0x12};
  static constexpr std::uint8_t kMlDsa87[] = {0x30, 0x0B, 0x06, 0x09, 0x60, 0x86, 0x48,
                                              0x01, 0x65, 0x03, 0x04, 0x03, 0x13};
  switch (algorithm) {
    case KeyAlgorithm::kP256: return kEcdsaSha256;
    case KeyAlgorithm::kP384: return kEcdsaSha384;
    case KeyAlgorithm::kEd25519: return kEd25519;
    case KeyAlgorithm::kRsa: return kRsaSha256;
    case KeyAlgorithm::kMlDsa44: return kMlDsa44;
    case KeyAlgorithm::kMlDsa65: return kMlDsa65;
    case KeyAlgorithm::kMlDsa87: return kMlDsa87;
  }
  return {};
}

const EVP_MD* signature_digest(KeyAlgorithm algorithm) {
  switch (algorithm) {
    case KeyAlgorithm::kP256:
    case KeyAlgorithm::kRsa: return EVP_sha256();
    case KeyAlgorithm::kP384: return EVP_sha384();
    case KeyAlgorithm::kEd25519:
    case KeyAlgorithm::kMlDsa44:
    case KeyAlgorithm::kMlDsa65:
    case KeyAlgorithm::kMlDsa87: break;
  }
  return nullptr;
}

}  // namespace muster::ca
