// SPDX-License-Identifier: Apache-2.0
#include "ca/encrypted_key_store.h"
#include "ca/pkcs11_key_store.h"
#include "contract/key_store_contract.h"
#include "support/soft_token.h"

namespace muster::contract {
namespace {

class EncryptedStore {
 public:
  ca::KeyStore& store() { return store_; }
  std::unique_ptr<ca::KeyStore> reopen(std::string deployment) {
    return std::make_unique<ca::EncryptedKeyStore>(ring_, std::move(deployment));
  }

 private:
  std::shared_ptr<ca::KeyRing> ring_ = ca::KeyRing::of(ca::KeyEncryptionKey::from_bytes(Bytes(32, 5)).value());
  ca::EncryptedKeyStore store_{ring_, std::string(kDeployment)};
};

class TokenStore {
 public:
  ca::KeyStore& store() { return store_; }
  std::unique_ptr<ca::KeyStore> reopen(std::string deployment) {
    return std::make_unique<ca::Pkcs11KeyStore>(config(), std::move(deployment));
  }

 private:
  ca::Pkcs11Config config() const {
    return {test_support::SoftToken::kModule, test_support::SoftToken::kLabel, token_.pin_file(), 4};
  }
  test_support::SoftToken token_;
  ca::Pkcs11KeyStore store_{config(), std::string(kDeployment)};
};

INSTANTIATE_TYPED_TEST_SUITE_P(Encrypted, KeyStoreContract, EncryptedStore);
INSTANTIATE_TYPED_TEST_SUITE_P(Pkcs11, KeyStoreContract, TokenStore);

}  // namespace
}  // namespace muster::contract
