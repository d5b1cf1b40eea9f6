// SPDX-License-Identifier: Apache-2.0
#include "ca/signature_algorithm.h"

namespace muster::ca {

BytesView signature_algorithm(x509::KeyAlgorithm algorithm) {
  static constexpr std::uint8_t kEcdsaSha256[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                                  0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
  static constexpr std::uint8_t kEcdsaSha384[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                                  0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03};
  return algorithm == x509::KeyAlgorithm::kP384 ? BytesView{kEcdsaSha384} : BytesView{kEcdsaSha256};
}

}  // namespace muster::ca
