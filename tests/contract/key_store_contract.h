// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what every ca::KeyStore promises. A store is tested by an adapter with `KeyStore& store()` and
// `std::unique_ptr<KeyStore> reopen(deployment)`: another object over the same keys, as after a restart.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "ca/key_store.h"
#include "ca/reasons.h"
#include "ca/signature_algorithm.h"
#include "ca/tbs_certificate.h"
#include "x509/public_key.h"
#include "x509/reasons.h"

namespace muster::contract {

inline constexpr std::string_view kDeployment = "11111111-2222-3333-4444-555555555555";

inline ca::KeyOwner some_owner() { return {TenantId::random(), IssuerId::random(), ca::subject_name("a CA")}; }

inline ca::StoredKey stored(const ca::GeneratedKey& key) {
  return {key.id, key.spki_sha256, key.wrapped, key.store, key.token_reference};
}

// How a reader of the signature, who shares nothing with the store, sees it.
inline bool verifies(const ca::GeneratedKey& key, BytesView message, const Bytes& signature) {
  const auto parsed = x509::PublicKey::parse(key.spki);
  if (!parsed.ok()) return false;
  return parsed->verify(ca::signature_algorithm(parsed->algorithm()), message, signature).ok();
}

template <typename Adapter>
class KeyStoreContract : public ::testing::Test {
 protected:
  ca::KeyStore& store() { return adapter.store(); }
  Adapter adapter;
};

TYPED_TEST_SUITE_P(KeyStoreContract);

TYPED_TEST_P(KeyStoreContract, MakesEveryKindOfKeyThatItsSignaturesFit) {
  using x509::KeyKind;
  for (const KeyKind kind :
       {KeyKind::kP256, KeyKind::kP384, KeyKind::kEd25519, KeyKind::kRsa2048, KeyKind::kRsa3072, KeyKind::kRsa4096}) {
    const auto made = this->store().generate(some_owner(), kind);
    ASSERT_TRUE(made.ok()) << x509::to_string(kind) << " " << to_log_text(made.error());
    const auto& key = made->description;
    const auto parsed = x509::PublicKey::parse(key.spki);
    ASSERT_TRUE(parsed.ok()) << x509::to_string(kind);
    EXPECT_EQ(parsed->algorithm(), x509::algorithm_of(kind));
    EXPECT_EQ(made->key->algorithm(), x509::algorithm_of(kind));
    if (x509::rsa_bits(kind) != 0) {
      EXPECT_EQ(parsed->bits(), x509::rsa_bits(kind));
    }
    EXPECT_EQ(key.kind, kind);
    EXPECT_EQ(key.store, this->store().kind());
    const Bytes message = to_bytes("to be signed");
    const auto signature = made->key->sign(message);
    ASSERT_TRUE(signature.ok()) << to_log_text(signature.error());
    EXPECT_TRUE(verifies(key, message, *signature)) << x509::to_string(kind);
    EXPECT_FALSE(verifies(key, to_bytes("another"), *signature));
  }
}

// The same answer for what this library or token lacks, never a key of another kind.
TYPED_TEST_P(KeyStoreContract, RefusesAKindThatIsNotOffered) {
  for (const auto kind : {x509::KeyKind::kMlDsa44, x509::KeyKind::kMlDsa65, x509::KeyKind::kMlDsa87}) {
    const auto made = this->store().generate(some_owner(), kind);
    if (made.ok()) {  // OpenSSL 3.5 and later
      const auto signature = made->key->sign(to_bytes("m"));
      ASSERT_TRUE(signature.ok());
      EXPECT_TRUE(verifies(made->description, to_bytes("m"), *signature));
    } else {
      EXPECT_EQ(made.error().reason, x509::reasons::kKeyAlgorithmUnavailable);
      EXPECT_FALSE(made.error().detail.empty());
    }
  }
}

TYPED_TEST_P(KeyStoreContract, LoadsWhatItMadeAfterARestart) {
  const auto owner = some_owner();
  const auto made = this->store().generate(owner, x509::KeyKind::kP256).value();
  const auto again = this->adapter.reopen(std::string(kDeployment));
  const auto loaded = again->load(owner, stored(made.description));
  ASSERT_TRUE(loaded.ok()) << to_log_text(loaded.error());
  const auto signature = (*loaded)->sign(to_bytes("after the restart"));
  ASSERT_TRUE(signature.ok());
  EXPECT_TRUE(verifies(made.description, to_bytes("after the restart"), *signature));
}

TYPED_TEST_P(KeyStoreContract, DoesNotLoadForAnotherOwnerDeploymentOrCertificate) {
  const auto owner = some_owner();
  const auto made = this->store().generate(owner, x509::KeyKind::kP256).value().description;
  ca::KeyOwner other_tenant = owner;
  other_tenant.tenant = TenantId::random();
  EXPECT_FALSE(this->store().load(other_tenant, stored(made)).ok());
  ca::KeyOwner other_issuer = owner;
  other_issuer.issuer = IssuerId::random();
  EXPECT_FALSE(this->store().load(other_issuer, stored(made)).ok());
  ca::StoredKey other_certificate = stored(made);
  other_certificate.spki_sha256[0] ^= 1;
  EXPECT_FALSE(this->store().load(owner, other_certificate).ok());
  EXPECT_FALSE(this->adapter.reopen("another deployment")->load(owner, stored(made)).ok());
  EXPECT_TRUE(this->store().load(owner, stored(made)).ok());
}

// Two rows of which one is given the other's key.
TYPED_TEST_P(KeyStoreContract, DoesNotLoadAnotherIssuersKey) {
  const auto first = some_owner();
  const auto second = some_owner();
  const auto first_key = this->store().generate(first, x509::KeyKind::kP256).value().description;
  const auto second_key = this->store().generate(second, x509::KeyKind::kP256).value().description;
  ca::StoredKey exchanged = stored(first_key);
  exchanged.wrapped = second_key.wrapped;
  exchanged.token_reference = second_key.token_reference;
  EXPECT_FALSE(this->store().load(first, exchanged).ok());
}

TYPED_TEST_P(KeyStoreContract, RefusesGarbageInTheRow) {
  const auto owner = some_owner();
  const auto made = this->store().generate(owner, x509::KeyKind::kP256).value().description;
  for (const Bytes& garbage : {Bytes{}, Bytes{0}, Bytes(17, 0xFF), Bytes(5000, 'x')}) {
    ca::StoredKey damaged = stored(made);
    damaged.wrapped = garbage;
    damaged.token_reference = garbage;
    EXPECT_FALSE(this->store().load(owner, damaged).ok()) << garbage.size();
  }
}

TYPED_TEST_P(KeyStoreContract, RemovingTwiceIsRemovingOnceAndLeavesOtherKeys) {
  const auto owner = some_owner();
  const auto other = some_owner();
  const auto made = this->store().generate(owner, x509::KeyKind::kP256).value().description;
  const auto kept = this->store().generate(other, x509::KeyKind::kP256).value().description;
  EXPECT_TRUE(this->store().remove(other, stored(made)).ok());  // not its key: nothing happens
  EXPECT_TRUE(this->store().load(owner, stored(made)).ok());
  EXPECT_TRUE(this->store().remove(owner, stored(made)).ok());
  EXPECT_TRUE(this->store().remove(owner, stored(made)).ok());
  EXPECT_TRUE(this->store().load(other, stored(kept)).ok());
}

TYPED_TEST_P(KeyStoreContract, SignsWithSeveralKeysFromSeveralThreads) {
  constexpr int kThreads = 8;
  constexpr int kSignatures = 25;
  std::vector<ca::NewKey> keys;
  for (int i = 0; i < 3; ++i) keys.push_back(this->store().generate(some_owner(), x509::KeyKind::kP256).value());
  std::vector<int> good(kThreads, 0);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const ca::NewKey& key = keys[static_cast<std::size_t>(t) % keys.size()];
        for (int i = 0; i < kSignatures; ++i) {
          const Bytes message = to_bytes("message " + std::to_string(t) + "/" + std::to_string(i));
          const auto signature = key.key->sign(message);
          if (signature.ok() && verifies(key.description, message, *signature)) ++good[static_cast<std::size_t>(t)];
        }
      });
    }
  }
  EXPECT_EQ(good, std::vector<int>(kThreads, kSignatures));
}

REGISTER_TYPED_TEST_SUITE_P(KeyStoreContract, MakesEveryKindOfKeyThatItsSignaturesFit, RefusesAKindThatIsNotOffered,
                            LoadsWhatItMadeAfterARestart, DoesNotLoadForAnotherOwnerDeploymentOrCertificate,
                            DoesNotLoadAnotherIssuersKey, RefusesGarbageInTheRow,
                            RemovingTwiceIsRemovingOnceAndLeavesOtherKeys, SignsWithSeveralKeysFromSeveralThreads);

}  // namespace muster::contract
