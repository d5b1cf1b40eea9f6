// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <string>

#include "core/encoding.h"
#include "core/id.h"
#include "edge/folder_files.h"
#include "x509/openssl_ptr.h"

namespace muster::test_support {

// HeartbeatSigner is the server's heartbeat key, for tests that play the server and one edge.
class HeartbeatSigner {
 public:
  const EdgeId edge = EdgeId::random();

  std::array<std::uint8_t, 32> public_key() const {
    std::array<std::uint8_t, 32> octets{};
    std::size_t size = octets.size();
    EVP_PKEY_get_raw_public_key(key_.get(), octets.data(), &size);
    return octets;
  }
  edge::HeartbeatSignature sign(BytesView message) const {
    edge::HeartbeatSignature signature{};
    std::size_t size = signature.size();
    const x509::EvpMdCtxPtr context(EVP_MD_CTX_new());
    EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get());
    EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size());
    return signature;
  }
  edge::HeartbeatSignature sign(const edge::StreamPosition& position, UtcTime issued_at) const {
    return sign(edge::heartbeat_message(edge, position, issued_at));
  }
  void write_key_file(const std::string& path) const {
    std::ofstream(path) << "# of a test\nedge " << edge.text() << "\ned25519 " << to_base64(public_key()) << "\n";
  }

 private:
  x509::EvpPkeyPtr key_{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
};

}  // namespace muster::test_support
