// SPDX-License-Identifier: Apache-2.0
#include "ca/heartbeat_key.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "core/random.h"
#include "x509/openssl_ptr.h"

namespace muster::ca {
namespace {

KeyEncryptionKey random_kek() { return std::move(KeyEncryptionKey::from_bytes(random_bytes(32))).value(); }

bool verifies(const Bytes& public_key, const Bytes& message, const Bytes& signature) {
  const x509::EvpPkeyPtr key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, public_key.data(), public_key.size()));
  const x509::EvpMdCtxPtr context(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

TEST(HeartbeatKey, SignsWithTheKeyThatWasMade) {
  const auto ring = KeyRing::of(random_kek());
  const auto made = HeartbeatKey::make(*ring->primary(), "deployment-1");
  ASSERT_TRUE(made.ok());
  const auto key = HeartbeatKey::open(*ring, "deployment-1", *made);
  ASSERT_TRUE(key.ok()) << key.error().reason;
  const Bytes message = to_bytes("a heartbeat");
  const auto signature = key->sign(message);
  ASSERT_TRUE(signature.ok());
  EXPECT_TRUE(verifies(made->public_key, message, *signature));
  EXPECT_FALSE(verifies(made->public_key, to_bytes("another"), *signature));
}

TEST(HeartbeatKey, OpensOnlyWhereItWasMade) {
  const auto ring = KeyRing::of(random_kek());
  const auto made = HeartbeatKey::make(*ring->primary(), "deployment-1");
  ASSERT_TRUE(made.ok());
  EXPECT_FALSE(HeartbeatKey::open(*ring, "deployment-2", *made).ok());
  EXPECT_FALSE(HeartbeatKey::open(*KeyRing::of(random_kek()), "deployment-1", *made).ok());
  WrappedHeartbeatKey renamed = *made;
  renamed.id = KeyId::random();
  EXPECT_FALSE(HeartbeatKey::open(*ring, "deployment-1", renamed).ok());
  WrappedHeartbeatKey swapped = *made;
  swapped.public_key = std::move(HeartbeatKey::make(*ring->primary(), "deployment-1")).value().public_key;
  EXPECT_FALSE(HeartbeatKey::open(*ring, "deployment-1", swapped).ok());
}

TEST(HeartbeatKey, StaysTheSameUnderANewKeyEncryptionKey) {
  const auto old_ring = KeyRing::of(random_kek());
  const auto new_ring = KeyRing::of(random_kek());
  const auto made = HeartbeatKey::make(*old_ring->primary(), "deployment-1");
  ASSERT_TRUE(made.ok());
  const auto key = HeartbeatKey::open(*old_ring, "deployment-1", *made);
  ASSERT_TRUE(key.ok());
  const auto again = key->wrap(*new_ring->primary(), "deployment-1");
  ASSERT_TRUE(again.ok());
  EXPECT_NE(again->kek_id, made->kek_id);
  const auto opened = HeartbeatKey::open(*new_ring, "deployment-1", *again);
  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE(verifies(made->public_key, to_bytes("x"), std::move(opened->sign(to_bytes("x"))).value()));
}

}  // namespace
}  // namespace muster::ca
