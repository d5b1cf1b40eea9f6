// SPDX-License-Identifier: Apache-2.0
//
// CRLs to import, each with its issuer and one certificate; the file name's prefix is the verdict.
#include <gtest/gtest.h>

#include "unit/x509/vectors.h"
#include "x509/crl_import.h"
#include "x509/revocation.h"

namespace muster::x509 {
namespace {

const UtcTime kNow = parse_rfc3339("2017-03-09T00:00:00Z").value();
constexpr std::chrono::days kMaxAge{7};

CrlPolicy crl_policy() {
  CrlPolicy policy{.now = kNow, .max_age = kMaxAge};
  policy.require_number = false;          // these CRLs have none
  policy.algorithms.allow_legacy = true;  // and RSA-1024 signs them
  return policy;
}

// "good", "revoked", or why the CRL says nothing.
std::string verdict(const std::string& text) {
  const auto issuer = Certificate::parse_der(find_pem(text, "CA CERTIFICATE").value());
  const auto leaf = Certificate::parse_der(find_pem(text, "CERTIFICATE").value());
  if (!issuer.ok() || !leaf.ok()) return std::string((issuer.ok() ? leaf : issuer).error().reason);
  const auto signer_der = find_pem(text, "CA CERTIFICATE 2");
  const Certificate signer = signer_der ? Certificate::parse_der(*signer_der).value() : *issuer;
  auto crl = check_crl(find_pem(text, "CRL").value(), signer, crl_policy());
  if (!crl.ok()) return std::string(crl.error().reason);
  // Where the CA has two keys, both stand below one anchor, which the files leave out.
  if (signer_der) crl->anchor_spki = Sha256{};
  const auto answer = revocation_status({*leaf, *issuer, Sha256{}, kNow}, std::span{&*crl, 1});
  if (answer.status == RevocationStatus::kUndetermined) return "not in scope";
  return answer.status == RevocationStatus::kGood ? "good" : "revoked";
}

TEST(CrlVectors, VerdictIsThePrefixOfTheFile) {
  if (!has_vectors("crl")) GTEST_SKIP();
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(vector_path("crl"))) {
    const std::string name = entry.path().filename();
    const std::string seen = verdict(read_vector(entry.path()));
    const std::string expected = name.starts_with("good") ? "good" : name.starts_with("revoked") ? "revoked" : "";
    if (expected.empty()) {
      EXPECT_TRUE(seen != "good" && seen != "revoked") << name << " " << seen;
    } else {
      EXPECT_EQ(seen, expected) << name;
    }
    ++files;
  }
  EXPECT_EQ(files, 66u);
}

}  // namespace
}  // namespace muster::x509
