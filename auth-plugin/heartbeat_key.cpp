// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/heartbeat_key.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "core/encoding.h"
#include "edge/trusted_file.h"
#include "x509/openssl_ptr.h"

namespace muster::auth_plugin {
namespace {

constexpr std::size_t kMaxFile = 4096;

Error invalid(const std::string& path, std::string_view what) {
  return Error{ErrorCode::kInvalidArgument, "config.heartbeat_key_invalid", path + ": " + std::string(what)};
}

}  // namespace

Result<HeartbeatKey> HeartbeatKey::load(const std::string& path) {
  const auto file = edge::read_trusted_file(path, geteuid(), kMaxFile);
  if (!file.ok()) return invalid(path, file.error().reason);
  HeartbeatKey key;
  bool has_key = false;
  std::istringstream lines{std::string(as_text(*file))};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name, value, more;
    if (!(words >> name) || name.starts_with('#')) continue;
    words >> value;
    if (words >> more) return invalid(path, "a line has a name and a value");
    if (name == "edge" && key.edge.is_nil()) {
      auto edge = EdgeId::parse(value);
      if (!edge.ok()) return invalid(path, "edge is not an id");
      key.edge = *edge;
    } else if (name == "ed25519" && !has_key) {
      const auto octets = from_base64(value);
      if (!octets.ok() || octets->size() != key.public_key.size()) return invalid(path, "ed25519 is not a public key");
      std::ranges::copy(*octets, key.public_key.begin());
      has_key = true;
    } else {
      return invalid(path, "a line is unknown or stands there twice");
    }
  }
  if (key.edge.is_nil() || !has_key) return invalid(path, "edge or ed25519 is missing");
  return key;
}

bool HeartbeatKey::verifies(BytesView message, BytesView signature) const {
  const x509::EvpPkeyPtr key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, public_key.data(), public_key.size()));
  const x509::EvpMdCtxPtr context(EVP_MD_CTX_new());
  if (!key || !context) return false;
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

}  // namespace muster::auth_plugin
