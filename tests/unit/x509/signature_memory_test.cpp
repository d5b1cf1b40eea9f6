// SPDX-License-Identifier: Apache-2.0
//
// What a handshake's verification costs, counted: signatures that verified before cost nothing, and slow keys do not
// buy time.
#include "x509/signature_memory.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "unit/x509/made_pki.h"
#include "x509/openssl_ptr.h"
#include "x509/path_validator.h"
#include "x509/public_key.h"
#include "x509/reasons.h"

namespace muster::x509 {
namespace {

using made::Key;

const UtcTime kNow = parse_rfc3339("2026-06-15T00:00:00Z").value();

Sha256 digest(std::uint8_t first) {
  Sha256 value{};
  value[0] = first;
  return value;
}

TEST(SignatureMemory, KnowsWhatItWasToldAndNothingElse) {
  SignatureMemory memory(64);
  EXPECT_FALSE(memory.knows(digest(1), digest(2)));
  memory.remember(digest(1), digest(2));
  EXPECT_TRUE(memory.knows(digest(1), digest(2)));
  EXPECT_FALSE(memory.knows(digest(1), digest(3))) << "another key";
  EXPECT_FALSE(memory.knows(digest(2), digest(1))) << "the two are not the same thing";
  EXPECT_EQ(memory.use().known, 1U);
  EXPECT_EQ(memory.use().unknown, 3U);
}

TEST(SignatureMemory, OfAFixedSizeForgetsTheOlder) {
  SignatureMemory memory(2);
  for (std::uint8_t i = 1; i <= 3; ++i) memory.remember(digest(i), digest(0));
  EXPECT_FALSE(memory.knows(digest(1), digest(0)));
  EXPECT_TRUE(memory.knows(digest(2), digest(0)));
  EXPECT_TRUE(memory.knows(digest(3), digest(0)));
}

// root → CA → leaf
struct Path {
  Path() {
    const Key ca_key = made::new_key();
    intermediates.push_back(made::certificate({"CA", ca_key, root.name, root.key, made::ca_extensions({})}));
    leaf.push_back(made::certificate({"leaf", made::new_key(), "CA", ca_key, {}}));
  }
  PathReport validate(const PathPolicy& policy) const {
    return validate_path(leaf.front(), intermediates, std::span{&root.certificate, 1}, policy);
  }
  made::Root root{"root"};
  std::vector<Certificate> intermediates;
  std::vector<Certificate> leaf;
};

TEST(SignatureMemory, SparesTheSecondValidationItsChecksAndNothingElse) {
  const Path path;
  SignatureMemory memory(64);
  PathPolicy policy{.now = kNow};
  policy.memory = &memory;
  EXPECT_EQ(path.validate(policy).work.signature_checks, 2U);
  const PathReport again = path.validate(policy);
  EXPECT_TRUE(again.valid());
  EXPECT_EQ(again.work.signature_checks, 0U);
  EXPECT_EQ(again.work.signature_cost, 0U);
  policy.now = parse_rfc3339("2099-01-01T00:00:00Z").value();
  const PathReport late = path.validate(policy);
  EXPECT_FALSE(late.valid()) << "validity is judged anew, whatever is remembered";
}

TEST(SignatureCost, IsTheLimitThatSlowKeysHit) {
  const Path path;
  PathPolicy policy{.now = kNow};
  policy.limits.signature_cost = 2;  // one check by an anchor's key, and no second with loading a key
  const PathReport report = path.validate(policy);
  EXPECT_FALSE(report.valid());
  EXPECT_EQ(report.findings.front().reason, reasons::kChainSearchExhausted);
  EXPECT_LE(report.work.signature_checks, 2U);
}

Bytes rsa_spki(unsigned modulus_bits, unsigned exponent_bits) {
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> modulus(BN_new(), BN_free);
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> exponent(BN_new(), BN_free);
  BN_rand(modulus.get(), static_cast<int>(modulus_bits), BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD);
  BN_rand(exponent.get(), static_cast<int>(exponent_bits), BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
  const std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)> build(OSSL_PARAM_BLD_new(),
                                                                              OSSL_PARAM_BLD_free);
  OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  const std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)> parameters(OSSL_PARAM_BLD_to_param(build.get()),
                                                                           OSSL_PARAM_free);
  const EvpPkeyCtxPtr context{EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr)};
  EVP_PKEY* key = nullptr;
  EVP_PKEY_fromdata_init(context.get());
  EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get());
  const EvpPkeyPtr owner{key};
  std::uint8_t* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  Bytes spki(der, der + std::max(size, 0));
  OPENSSL_free(der);
  return spki;
}

TEST(SignatureCost, GrowsWithModulusAndExponent) {
  const auto cost = [](unsigned modulus, unsigned exponent) {
    const auto key = PublicKey::parse(rsa_spki(modulus, exponent));
    return key.ok() ? key->verification_cost() : 0U;
  };
  EXPECT_EQ(cost(2048, 17), 1U);
  EXPECT_EQ(cost(4096, 17), 1U);
  EXPECT_GE(cost(3072, 256), 8U);
  EXPECT_GE(cost(4096, 64), 4U);
}

}  // namespace
}  // namespace muster::x509
