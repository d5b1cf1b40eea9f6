// SPDX-License-Identifier: Apache-2.0
#include "ca/key_wrapping.h"

#include <gtest/gtest.h>

#include "ca/reasons.h"
#include "ca/signer.h"
#include "ca/tbs_certificate.h"

namespace muster::ca {
namespace {

KeyEncryptionKey kek(std::uint8_t fill) { return KeyEncryptionKey::from_bytes(Bytes(32, fill)).value(); }

KeyBinding binding() { return {"deployment", TenantId::random(), IssuerId::random(), KeyId::random(), {1, 2, 3}}; }

const Bytes kSecret{1, 2, 3, 4, 5};

TEST(KeyWrapping, OpensWithTheSameKeyAndBinding) {
  const KeyBinding where = binding();
  const Bytes blob = wrap_private_key(kek(1), where, kSecret).value();
  const auto opened = unwrap_private_key(kek(1), where, blob);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(Bytes(opened->view().begin(), opened->view().end()), kSecret);
}

TEST(KeyWrapping, EveryFlippedOctetIsNoticed) {
  const KeyBinding where = binding();
  const Bytes blob = wrap_private_key(kek(1), where, kSecret).value();
  for (std::size_t i = 0; i < blob.size(); ++i) {
    Bytes damaged = blob;
    damaged[i] ^= 1;
    EXPECT_FALSE(unwrap_private_key(kek(1), where, damaged).ok()) << i;
  }
}

TEST(KeyWrapping, BlobDoesNotOpenElsewhere) {
  const KeyBinding where = binding();
  const Bytes blob = wrap_private_key(kek(1), where, kSecret).value();
  std::vector<KeyBinding> others(5, where);
  others[0].deployment = "another";
  others[1].tenant = TenantId::random();
  others[2].issuer = IssuerId::random();
  others[3].key = KeyId::random();
  others[4].spki_sha256[0] ^= 1;
  for (const KeyBinding& other : others) {
    EXPECT_EQ(unwrap_private_key(kek(1), other, blob).error().reason, reasons::kKeyUnwrapFailed);
  }
  EXPECT_EQ(unwrap_private_key(kek(2), where, blob).error().reason, reasons::kKeyUnwrapFailed);
}

TEST(KeyWrapping, TwoBlobsOfOneKeyDiffer) {
  const KeyBinding where = binding();
  EXPECT_NE(wrap_private_key(kek(1), where, kSecret).value(), wrap_private_key(kek(1), where, kSecret).value());
}

TEST(Signer, LoadsAStoredKeyAndRefusesItUnderAnotherSpki) {
  const KeyOwner owner{TenantId::random(), IssuerId::random(), subject_name("ca")};
  Signer first{kek(1), "deployment"};
  const GeneratedKey key = first.generate(owner, x509::KeyKind::kP256).value();
  Signer second{kek(1), "deployment"};
  EXPECT_TRUE(second.load(owner, {key.id, key.spki_sha256, key.wrapped}).ok());
  EXPECT_TRUE(second.is_loaded(owner.issuer));
  Sha256 other = key.spki_sha256;
  other[0] ^= 1;
  EXPECT_FALSE(second.load(owner, {key.id, other, key.wrapped}).ok());
  Signer elsewhere{kek(1), "another deployment"};
  EXPECT_EQ(elsewhere.load(owner, {key.id, key.spki_sha256, key.wrapped}).error().reason, reasons::kKeyUnwrapFailed);
}

}  // namespace
}  // namespace muster::ca
