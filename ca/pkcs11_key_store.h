// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "ca/key_store.h"
#include "ca/pkcs11_config.h"

namespace muster::ca {

class Pkcs11Token;

// Pkcs11KeyStore makes and uses keys inside a PKCS#11 token: sensitive, not extractable, labelled with deployment,
// tenant and issuer. A key that a crash left between token and registry stays there and is used by nobody; list() shows
// it. Connects when it is first used. Thread-safe.
class Pkcs11KeyStore final : public KeyStore {
 public:
  Pkcs11KeyStore(Pkcs11Config config, std::string deployment);
  ~Pkcs11KeyStore() override;

  KeyStoreKind kind() const override { return KeyStoreKind::kPkcs11; }
  Result<NewKey> generate(const KeyOwner& owner, x509::KeyKind kind) override;
  Result<std::shared_ptr<const SigningKey>> load(const KeyOwner& owner, const StoredKey& key) override;
  Result<void> remove(const KeyOwner& owner, const StoredKey& key) override;
  // Every key that this deployment made, those among them that a crash left between token and registry.
  Result<std::vector<TokenKey>> list();
  Result<void> remove(const TokenKey& key);

 private:
  std::string label(const KeyOwner& owner) const;
  const std::shared_ptr<Pkcs11Token> token_;  // shared with the keys
  const std::string deployment_;
};

}  // namespace muster::ca
