// SPDX-License-Identifier: Apache-2.0
//
// The linter of CRLs passes what the builder makes and names each thing that differs from the order.
#include "ca/crl_linter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "ca/reasons.h"
#include "unit/ca/hierarchy.h"

namespace muster::ca {
namespace {

class CrlLint : public ::testing::Test {
 protected:
  std::vector<x509::CrlEntry> entries() const {
    return {{"0a", h.now, 0}, {"ff00000000000000000000000000000000000001", h.now, 1}, {"7f", h.now, 10}};
  }
  CrlHead head() const { return {h.issuing.identity, 3, 1795000000, h.now, h.now + std::chrono::days{7}}; }
  // The first place where `from` stands in the list is made `to`.
  static Bytes with(Bytes tbs, const Bytes& from, const Bytes& to) {
    const auto at = std::search(tbs.begin(), tbs.end(), from.begin(), from.end());
    EXPECT_NE(at, tbs.end());
    if (at != tbs.end()) std::copy(to.begin(), to.end(), at);
    return tbs;
  }
  std::string first_reason(const Bytes& tbs, const CrlHead& ordered, std::size_t count) const {
    const auto findings = lint_crl(tbs, ordered, count);
    return findings.empty() ? "" : std::string(findings.front().reason);
  }

  Hierarchy h;
};

TEST_F(CrlLint, PassesWhatTheBuilderMakes) {
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{3}}) {
    auto some = entries();
    some.resize(count);
    EXPECT_EQ(first_reason(build_tbs_crl(head(), some).value(), head(), count), "") << count;
  }
}

TEST_F(CrlLint, NamesWhatDiffersFromTheOrder) {
  const Bytes tbs = build_tbs_crl(head(), entries()).value();
  const auto reason = [&](const std::function<void(IssuerIdentity&, CrlHead&)>& change, std::size_t count = 3) {
    IssuerIdentity issuer = h.issuing.identity;
    CrlHead ordered{issuer, 3, 1795000000, h.now, h.now + std::chrono::days{7}};
    change(issuer, ordered);
    return first_reason(tbs, ordered, count);
  };
  EXPECT_EQ(reason([](auto& issuer, auto&) { issuer.name = subject_name("other"); }), reasons::kLintIssuer);
  EXPECT_EQ(reason([](auto& issuer, auto&) { issuer.subject_key_id[0] ^= 1; }), reasons::kLintKeyIdentifier);
  EXPECT_EQ(reason([](auto& issuer, auto&) { issuer.algorithm = x509::KeyAlgorithm::kEd25519; }),
            reasons::kLintAlgorithm);
  EXPECT_EQ(reason([](auto& issuer, auto&) { issuer.plain_url += "x"; }), reasons::kLintDistributionPoint);
  EXPECT_EQ(reason([](auto&, auto& ordered) { ordered.shard = 4; }), reasons::kLintDistributionPoint);
  EXPECT_EQ(reason([](auto&, auto& ordered) { ++ordered.number; }), reasons::kLintSerial);
  EXPECT_EQ(reason([](auto&, auto& ordered) { ordered.this_update += std::chrono::seconds{1}; }),
            reasons::kLintValidity);
  EXPECT_EQ(reason([](auto&, auto& ordered) { ordered.next_update -= std::chrono::seconds{1}; }),
            reasons::kLintValidity);
  EXPECT_EQ(reason([](auto&, auto&) {}, 2), reasons::kLintEntries);
}

TEST_F(CrlLint, NamesEntriesThatAreNotAsRfc5280HasThem) {
  const Bytes tbs = build_tbs_crl(head(), entries()).value();
  const Bytes key_compromise{0x04, 0x03, 0x0A, 0x01, 0x01};
  for (const std::uint8_t code : {0, 6, 7, 8, 11}) {
    EXPECT_EQ(first_reason(with(tbs, key_compromise, {0x04, 0x03, 0x0A, 0x01, code}), head(), 3), reasons::kLintEntries)
        << int{code};
  }
  // A negative serial.
  EXPECT_EQ(first_reason(with(tbs, {0x02, 0x01, 0x0A}, {0x02, 0x01, 0x8A}), head(), 3), reasons::kLintEntries);
  // Another extension of the entry.
  EXPECT_EQ(first_reason(with(tbs, {0x06, 0x03, 0x55, 0x1D, 0x15}, {0x06, 0x03, 0x55, 0x1D, 0x18}), head(), 3),
            reasons::kLintEntries);
}

TEST_F(CrlLint, NamesAPointThatIsNotCriticalAndATimeOfTheWrongKind) {
  Bytes tbs = build_tbs_crl(head(), entries()).value();
  // BOOLEAN TRUE of the issuingDistributionPoint.
  EXPECT_EQ(
      first_reason(with(tbs, {0x55, 0x1D, 0x1C, 0x01, 0x01, 0xFF}, {0x55, 0x1D, 0x1C, 0x01, 0x01, 0x00}), head(), 3),
      reasons::kLintExtensions);
  EXPECT_EQ(first_reason(Bytes{0x30, 0x00}, head(), 0), reasons::kLintMalformed);
  tbs.push_back(0);
  EXPECT_EQ(first_reason(tbs, head(), 3), reasons::kLintMalformed);
}

}  // namespace
}  // namespace muster::ca
