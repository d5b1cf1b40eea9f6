// SPDX-License-Identifier: Apache-2.0
#include "ca/key_ring.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "ca/encrypted_key_store.h"
#include "ca/reasons.h"
#include "ca/tbs_certificate.h"
#include "support/temp_folder.h"

namespace muster::ca {
namespace {

const std::string kFirst(64, 'a');
const std::string kSecond(64, 'b');

class KeyFile : public ::testing::Test {
 protected:
  void write(const std::string& text) {
    std::ofstream{path} << text;
    ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  }
  std::string_view fault(const std::string& text) {
    write(text);
    const auto ring = KeyRing::load(path);
    return ring.ok() ? std::string_view{} : ring.error().reason;
  }

  test_support::TempFolder folder;
  std::string path = folder / "kek";
};

TEST_F(KeyFile, IsRefusedWhenOthersMayReadIt) {
  write(kFirst + "\n");
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  EXPECT_EQ(KeyRing::load(path).error().reason, "file.permissions_too_open");
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  EXPECT_TRUE(KeyRing::load(path).ok());
}

TEST_F(KeyFile, FirstKeyWrapsAndAllOpen) {
  write("# new\n" + kSecond + "\r\n\n# old\n" + kFirst);
  const auto ring = KeyRing::load(path).value();
  ASSERT_EQ(ring->ids().size(), 2u);
  EXPECT_EQ(ring->primary()->octets()[0], 0xBB);
  const auto old = KeyEncryptionKey::from_bytes(Bytes(32, 0xAA)).value();
  EXPECT_NE(ring->find(old.id()), nullptr);
}

TEST_F(KeyFile, OneKeyInBinaryIsAFileToo) {
  EXPECT_EQ(fault(std::string(32, '\x07')), "");
  EXPECT_EQ(fault(std::string(31, '\x07')), reasons::kKekInvalid);
}

TEST_F(KeyFile, WithAFaultIsRefusedWhole) {
  for (const std::string& text :
       {std::string(), std::string("# nothing\n"), std::string("short"), std::string(63, 'a'), std::string(65, 'a'),
        std::string(64, 'z'), kFirst + "\n" + kFirst + "\n", kFirst + "\nshort\n", kFirst + " " + kSecond}) {
    EXPECT_EQ(fault(text), reasons::kKekInvalid) << text;
  }
  std::string many;
  for (int i = 0; i < 17; ++i) many += std::string(63, 'a') + "0123456789abcdefg"[i] + "\n";
  EXPECT_EQ(fault(many), reasons::kKekInvalid);
}

TEST_F(KeyFile, IsReadAgainForAKeyThatIsNotKnown) {
  write(kFirst);
  const auto ring = KeyRing::load(path).value();
  const auto next = KeyEncryptionKey::from_bytes(Bytes(32, 0xBB)).value();
  EXPECT_EQ(ring->find(next.id()), nullptr);
  write(kFirst + "\n" + kSecond);
  EXPECT_NE(ring->find(next.id()), nullptr);
  EXPECT_EQ(ring->primary()->octets()[0], 0xAA);
}

TEST_F(KeyFile, ThatCannotBeUsedAnyMoreLeavesTheRingAsItWas) {
  write(kFirst);
  const auto ring = KeyRing::load(path).value();
  write("garbage");
  EXPECT_EQ(ring->reload().error().reason, reasons::kKekInvalid);
  EXPECT_EQ(ring->primary()->octets()[0], 0xAA);
}

TEST_F(KeyFile, IsWrittenSoThatItIsReadBack) {
  const auto first = KeyEncryptionKey::from_bytes(Bytes(32, 1)).value();
  const auto second = KeyEncryptionKey::from_bytes(Bytes(32, 2)).value();
  ASSERT_TRUE(write_key_file(path, {&second, &first}).ok());
  const auto read = read_key_file(path).value();
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].id(), second.id());
  EXPECT_EQ(read[1].id(), first.id());
}

TEST_F(KeyFile, BlobsOfAnOldKeyOpenAndAreWrappedAgain) {
  write(kFirst);
  const KeyOwner owner{TenantId::random(), IssuerId::random(), subject_name("a CA")};
  const GeneratedKey key =
      EncryptedKeyStore{KeyRing::load(path).value(), "d"}.generate(owner, x509::KeyKind::kP256).value().description;
  write(kSecond + "\n" + kFirst);
  const auto ring = KeyRing::load(path).value();
  EncryptedKeyStore store{ring, "d"};
  StoredKey stored{key.id, key.spki_sha256, key.wrapped};
  EXPECT_TRUE(store.load(owner, stored).ok());
  const Bytes fresh = store.rewrap(owner, stored, *ring->primary()).value();
  write(kSecond);
  EncryptedKeyStore after{KeyRing::load(path).value(), "d"};
  EXPECT_EQ(after.load(owner, stored).error().reason, reasons::kKekUnknown);
  stored.wrapped = fresh;
  EXPECT_TRUE(after.load(owner, stored).ok());
  // Still bound to its place.
  EXPECT_FALSE(after.load({TenantId::random(), owner.issuer, owner.name}, stored).ok());
  EXPECT_FALSE(store.rewrap({TenantId::random(), owner.issuer, owner.name}, stored, *ring->primary()).ok());
}

}  // namespace
}  // namespace muster::ca
