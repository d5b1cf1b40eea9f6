// SPDX-License-Identifier: Apache-2.0
//
// What only a token can do: keep its keys, go away, come back, refuse a PIN.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "ca/der_writer.h"
#include "ca/pkcs11_key_store.h"
#include "ca/pkcs11_objects.h"
#include "ca/pkcs11_token.h"
#include "ca/reasons.h"
#include "ca/signer.h"
#include "contract/key_store_contract.h"
#include "support/eventually.h"
#include "support/soft_token.h"
#include "x509/sha256.h"

namespace muster::ca {
namespace {

using contract::kDeployment;
using contract::some_owner;
using contract::stored;
using contract::verifies;
using test_support::eventually;
using test_support::SoftToken;

constexpr std::chrono::seconds kPatience{60};
const Bytes kMessage = to_bytes("to be signed");

// The library between the store and SoftHSM that fails when told to.
class FailingLibrary {
 public:
  static std::string path() { return std::string(MUSTER_BINARY_DIR) + "/tests/failing_token.so"; }
  FailingLibrary() : handle_(dlopen(path().c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) throw std::runtime_error(dlerror());
  }
  ~FailingLibrary() { answer(CKR_OK); }
  FailingLibrary(const FailingLibrary&) = delete;
  FailingLibrary& operator=(const FailingLibrary&) = delete;

  void answer(CK_RV code) { function<void(CK_RV)>("failing_token_answer")(code); }
  unsigned logins() { return function<unsigned()>("failing_token_logins")(); }
  unsigned searches() { return function<unsigned()>("failing_token_searches")(); }
  const CK_FUNCTION_LIST& functions() {
    CK_FUNCTION_LIST* list = nullptr;
    function<CK_RV(CK_FUNCTION_LIST**)>("C_GetFunctionList")(&list);
    return *list;
  }

 private:
  template <typename Signature>
  Signature* function(const char* name) {
    return reinterpret_cast<Signature*>(dlsym(handle_, name));
  }
  void* handle_;
};

class Token : public ::testing::Test {
 protected:
  Pkcs11Config config(std::size_t sessions = 4) const {
    return {FailingLibrary::path(), SoftToken::kLabel, token.pin_file(), sessions};
  }
  bool signs_again(const NewKey& key) {
    return eventually(
        [&] {
          const auto signature = key.key->sign(kMessage);
          return signature.ok() && verifies(key.description, kMessage, *signature);
        },
        kPatience);
  }

  FailingLibrary library;
  SoftToken token;
  Pkcs11KeyStore store{config(), std::string(kDeployment)};
};

TEST_F(Token, KeysAreMadeInsideAndCannotLeave) {
  const KeyOwner owner = some_owner();
  const GeneratedKey key = store.generate(owner, x509::KeyKind::kP256).value().description;
  EXPECT_TRUE(key.wrapped.empty());
  EXPECT_TRUE(key.kek_id.empty());
  Pkcs11Token direct{config()};
  const std::string label =
      "muster " + std::string(kDeployment) + " " + owner.tenant.text() + " " + owner.issuer.text();
  const auto checked = direct.run([&](Pkcs11Token::Session& session) -> Result<void> {
    MUSTER_TRY(const TokenKeyPair pair, find_pair(session, {key.token_reference, label}));
    CK_BBOOL flags[4] = {9, 9, 9, 9};
    CK_ATTRIBUTE wanted[] = {{CKA_SENSITIVE, &flags[0], 1},
                             {CKA_ALWAYS_SENSITIVE, &flags[1], 1},
                             {CKA_NEVER_EXTRACTABLE, &flags[2], 1},
                             {CKA_EXTRACTABLE, &flags[3], 1}};
    const CK_FUNCTION_LIST& f = session.functions();
    EXPECT_EQ(f.C_GetAttributeValue(session.handle(), pair.private_half, wanted, 4), CKR_OK);
    EXPECT_EQ(flags[0], CK_TRUE);
    EXPECT_EQ(flags[1], CK_TRUE);
    EXPECT_EQ(flags[2], CK_TRUE);
    EXPECT_EQ(flags[3], CK_FALSE);
    std::uint8_t value[64];
    CK_ATTRIBUTE secret{CKA_VALUE, value, sizeof value};
    EXPECT_EQ(f.C_GetAttributeValue(session.handle(), pair.private_half, &secret, 1), CKR_ATTRIBUTE_SENSITIVE);
    return {};
  });
  EXPECT_TRUE(checked.ok()) << to_log_text(checked.error());
}

// Somebody with the PIN made it with other tools and gave it our label.
TEST_F(Token, KeyThatCouldLeaveIsRefused) {
  const KeyOwner owner = some_owner();
  std::string label = "muster " + std::string(kDeployment) + " " + owner.tenant.text() + " " + owner.issuer.text();
  Bytes id{1, 2, 3};
  Bytes spki;
  Pkcs11Token direct{config()};
  const auto made = direct.run([&](Pkcs11Token::Session& session) -> Result<void> {
    CK_BBOOL yes = CK_TRUE;
    Bytes curve{0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};
    CK_ATTRIBUTE open[] = {{CKA_ID, id.data(), id.size()},
                           {CKA_LABEL, label.data(), label.size()},
                           {CKA_TOKEN, &yes, 1},
                           {CKA_EC_PARAMS, curve.data(), curve.size()}};
    CK_ATTRIBUTE hidden[] = {{CKA_ID, id.data(), id.size()},
                             {CKA_LABEL, label.data(), label.size()},
                             {CKA_TOKEN, &yes, 1},
                             {CKA_SIGN, &yes, 1},
                             {CKA_EXTRACTABLE, &yes, 1}};
    CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
    TokenKeyPair pair;
    EXPECT_EQ(session.functions().C_GenerateKeyPair(session.handle(), &mechanism, open, 4, hidden, 5, &pair.public_half,
                                                    &pair.private_half),
              CKR_OK);
    MUSTER_TRY(spki, read_spki(session, pair.public_half));
    return {};
  });
  ASSERT_TRUE(made.ok()) << to_log_text(made.error());
  const auto loaded = store.load(owner, {KeyId::random(), x509::sha256(spki), {}, KeyStoreKind::kPkcs11, id});
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().reason, reasons::kKeyExtractable);
}

TEST_F(Token, LibraryThatSomebodyFinalisedIsOpenedAgain) {
  const NewKey key = store.generate(some_owner(), x509::KeyKind::kP256).value();
  ASSERT_EQ(library.functions().C_Finalize(nullptr), CKR_OK);
  const auto signature = key.key->sign(kMessage);  // the very request that met the fault
  ASSERT_TRUE(signature.ok()) << to_log_text(signature.error());
  EXPECT_TRUE(verifies(key.description, kMessage, *signature));
}

class TokenGone : public Token, public ::testing::WithParamInterface<CK_RV> {};

TEST_P(TokenGone, IsRefusedMeanwhileAndServesAgainWhenItIsBack) {
  const NewKey key = store.generate(some_owner(), x509::KeyKind::kP256).value();
  library.answer(GetParam());
  for (int i = 0; i < 3; ++i) {
    const auto refused = key.key->sign(kMessage);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().reason, reasons::kSignerTokenUnavailable);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(store.generate(some_owner(), x509::KeyKind::kP256).error().reason, reasons::kSignerTokenUnavailable);
  }
  library.answer(CKR_OK);
  EXPECT_TRUE(signs_again(key));
}

INSTANTIATE_TEST_SUITE_P(Codes, TokenGone,
                         ::testing::Values(CKR_DEVICE_REMOVED, CKR_DEVICE_ERROR, CKR_TOKEN_NOT_PRESENT,
                                           CKR_SESSION_HANDLE_INVALID, CKR_GENERAL_ERROR));

TEST_F(Token, ThatWasTakenAwayAndBroughtBackServesAgain) {
  const NewKey key = store.generate(some_owner(), x509::KeyKind::kRsa2048).value();
  token.take_away();
  ASSERT_EQ(library.functions().C_Finalize(nullptr), CKR_OK);
  const auto refused = key.key->sign(kMessage);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, reasons::kSignerTokenUnavailable);
  token.bring_back();
  EXPECT_TRUE(signs_again(key));
}

// A few attempts lock a token for good.
TEST_F(Token, RefusedPinIsNotTriedAgainUntilTheFileChanges) {
  const NewKey key = store.generate(some_owner(), x509::KeyKind::kP256).value();
  token.set_pin("9999");
  ASSERT_EQ(library.functions().C_Finalize(nullptr), CKR_OK);
  EXPECT_EQ(key.key->sign(kMessage).error().reason, reasons::kSignerTokenPinRefused);
  const unsigned logins = library.logins();
  const unsigned searches = library.searches();
  EXPECT_TRUE(eventually(
      [&] {
        EXPECT_EQ(key.key->sign(kMessage).error().reason, reasons::kSignerTokenPinRefused);
        return library.searches() >= searches + 2;  // it looked for the token twice more
      },
      kPatience));
  EXPECT_EQ(library.logins(), logins);
  token.set_pin("1234");
  EXPECT_TRUE(signs_again(key));
}

TEST_F(Token, ThreadsSignWhileItGoesAndComes) {
  const NewKey key = store.generate(some_owner(), x509::KeyKind::kP256).value();
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0}, good{0}, refused{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 6; ++t) {  // more than there are sessions
      threads.emplace_back([&] {
        while (!done) {
          const auto signature = key.key->sign(kMessage);
          if (signature.ok()) {
            ++(verifies(key.description, kMessage, *signature) ? good : wrong);
          } else {
            ++(signature.error().reason == reasons::kSignerTokenUnavailable ? refused : wrong);
          }
        }
      });
    }
    for (int round = 0; round < 3; ++round) {
      const int before = good;
      EXPECT_TRUE(eventually([&] { return good > before; }, kPatience));
      library.answer(CKR_DEVICE_REMOVED);
      const int refused_before = refused;
      EXPECT_TRUE(eventually([&] { return refused > refused_before; }, kPatience));
      library.answer(CKR_OK);
    }
    const int before = good;
    EXPECT_TRUE(eventually([&] { return good > before; }, kPatience));
    done = true;
  }
  EXPECT_EQ(wrong, 0);
}

TEST_F(Token, OneSessionServesManyThreads) {
  Pkcs11KeyStore narrow{config(1), std::string(kDeployment)};
  const NewKey key = narrow.generate(some_owner(), x509::KeyKind::kP256).value();
  std::atomic<int> good{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 10; ++i) good += key.key->sign(kMessage).ok() ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(good, 40);
}

TEST_F(Token, AnotherUserOfTheLibraryMayEnd) {
  const NewKey key = store.generate(some_owner(), x509::KeyKind::kP256).value();
  {
    Pkcs11KeyStore other{config(), "another deployment"};
    ASSERT_TRUE(other.generate(some_owner(), x509::KeyKind::kP256).ok());
  }
  EXPECT_TRUE(key.key->sign(kMessage).ok());
}

TEST_F(Token, ConfigurationIsCheckedWithoutTheToken) {
  EXPECT_TRUE(check_config(config()).ok());
  Pkcs11Config bad = config();
  bad.module = "libsofthsm2.so";  // would be looked for in LD_LIBRARY_PATH
  EXPECT_EQ(check_config(bad).error().reason, reasons::kTokenConfigInvalid);
  bad = config(0);
  EXPECT_EQ(check_config(bad).error().detail, "sessions");
  bad = config();
  bad.token_label = std::string(33, 'x');
  EXPECT_EQ(check_config(bad).error().detail, "token_label");
  token.set_pin("");
  EXPECT_EQ(check_config(config()).error().detail, "pin_file");
  ASSERT_EQ(chmod(token.pin_file().c_str(), 0640), 0);
  EXPECT_EQ(check_config(config()).error().reason, "file.permissions_too_open");
}

TEST_F(Token, MissingLibraryOrTokenIsUnavailable) {
  Pkcs11Config missing = config();
  missing.module = "/nonexistent/library.so";
  Pkcs11KeyStore no_library{missing, "d"};
  EXPECT_EQ(no_library.generate(some_owner(), x509::KeyKind::kP256).error().reason, reasons::kSignerTokenUnavailable);
  missing.module = "/lib/x86_64-linux-gnu/libc.so.6";
  Pkcs11KeyStore no_token_library{missing, "d"};
  EXPECT_EQ(no_token_library.generate(some_owner(), x509::KeyKind::kP256).error().reason,
            reasons::kSignerTokenUnavailable);
  missing = config();
  missing.token_label = "another label";
  Pkcs11KeyStore no_token{missing, "d"};
  EXPECT_EQ(no_token.generate(some_owner(), x509::KeyKind::kP256).error().reason, reasons::kSignerTokenUnavailable);
}

class SignerWithToken : public Token {
 protected:
  KeyStoreConfig stores(KeyStoreKind preferred) const {
    KeyStoreConfig both{KeyEncryptionKey::from_bytes(Bytes(32, 5)).value()};
    both.store = preferred;
    both.token = config();
    return both;
  }
  // The head of a TBSCertificate under the name of `owner`.
  Bytes tbs(const KeyOwner& owner, BytesView algorithm) {
    DerWriter writer;
    writer.constructed(0x30, [&] {
      writer.constructed(0xA0, [&] { writer.small_integer(2); });
      writer.small_integer(1);
      writer.raw(algorithm);
      writer.raw(owner.name);
    });
    return writer.take();
  }
};

TEST_F(SignerWithToken, ComparesOwnerAndAlgorithmWhicheverStoreHoldsTheKey) {
  for (const KeyStoreKind kind : {KeyStoreKind::kFile, KeyStoreKind::kPkcs11}) {
    Signer signer{stores(kind), std::string(kDeployment)};
    const KeyOwner owner = some_owner();
    KeyOwner other = owner;
    other.name = subject_name("another CA");
    const GeneratedKey key = signer.generate(owner, x509::KeyKind::kP256).value();
    EXPECT_EQ(key.store, kind);
    const BytesView algorithm = signature_algorithm(x509::KeyAlgorithm::kP256);
    const Bytes good = tbs(owner, algorithm);
    const auto signature = signer.sign_certificate({owner.tenant, owner.issuer, good});
    ASSERT_TRUE(signature.ok()) << to_log_text(signature.error());
    EXPECT_TRUE(verifies(key, good, *signature));
    const Bytes other_name = tbs(other, algorithm);
    const Bytes other_algorithm = tbs(owner, signature_algorithm(x509::KeyAlgorithm::kP384));
    for (const SigningRequest& request : {SigningRequest{TenantId::random(), owner.issuer, good},
                                          SigningRequest{owner.tenant, owner.issuer, other_name},
                                          SigningRequest{owner.tenant, owner.issuer, other_algorithm}}) {
      EXPECT_EQ(signer.sign_certificate(request).error().reason, reasons::kSignerIssuerMismatch);
    }
    signer.discard(owner.issuer, key);
    EXPECT_FALSE(signer.is_loaded(owner.issuer));
    EXPECT_EQ(signer.load(owner, stored(key)).ok(), kind == KeyStoreKind::kFile);
  }
}

TEST_F(SignerWithToken, FindsOlderKeysInTheOtherStore) {
  const KeyOwner owner = some_owner();
  Signer before{stores(KeyStoreKind::kFile), std::string(kDeployment)};
  const GeneratedKey key = before.generate(owner, x509::KeyKind::kP256).value();
  Signer after{stores(KeyStoreKind::kPkcs11), std::string(kDeployment)};
  EXPECT_TRUE(after.load(owner, stored(key)).ok());
  const GeneratedKey newer = after.generate(some_owner(), x509::KeyKind::kP256).value();
  Signer without{KeyEncryptionKey::from_bytes(Bytes(32, 5)).value(), std::string(kDeployment)};
  EXPECT_EQ(without.load(owner, stored(newer)).error().reason, reasons::kSignerStoreNotConfigured);
}

}  // namespace
}  // namespace muster::ca
