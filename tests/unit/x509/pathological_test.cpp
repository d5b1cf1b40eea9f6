// SPDX-License-Identifier: Apache-2.0
//
// What somebody presents must not decide what looking at it costs. Operations are counted, not time.
#include <gtest/gtest.h>

#include "unit/x509/made_pki.h"
#include "x509/path_extensions.h"
#include "x509/path_validator.h"
#include "x509/policy_graph.h"
#include "x509/reasons.h"

namespace muster::x509 {
namespace {

using made::Extensions;
using made::Key;

const UtcTime kNow = parse_rfc3339("2026-06-15T00:00:00Z").value();

std::string_view first_reason(const PathReport& report) {
  return report.valid() ? std::string_view{} : report.findings.front().reason;
}

void expect_within(const PathWork& work, const PathLimits& limits) {
  EXPECT_LE(work.signature_checks, limits.signature_checks);
  EXPECT_LE(work.paths, limits.paths);
  EXPECT_LE(work.name_comparisons, limits.name_comparisons);
  EXPECT_LE(work.steps, 4096u + limits.presented);
}

// root → CA 1 → … → CA `length`, and a leaf below the last.
struct Chain {
  explicit Chain(int length, const Extensions& more = {}, const Extensions& leaf_extensions = {}) {
    std::string issuer = root.name;
    Key issuer_key = root.key;
    for (int i = 0; i < length; ++i) {
      const std::string name = "CA " + std::to_string(i);
      const Key key = made::new_key();
      intermediates.push_back(made::certificate({name, key, issuer, issuer_key, made::ca_extensions(more)}));
      issuer = name;
      issuer_key = key;
    }
    leaf.push_back(made::certificate({"leaf", made::new_key(), issuer, issuer_key, leaf_extensions}));
  }
  PathReport validate(const PathPolicy& policy) const {
    return validate_path(leaf.front(), intermediates, std::span{&root.certificate, 1}, policy);
  }
  made::Root root{"root"};
  std::vector<Certificate> intermediates;
  std::vector<Certificate> leaf;
};

TEST(PathologicalChain, OfReasonableLengthIsValid) {
  const PathReport report = Chain{6}.validate({.now = kNow});
  EXPECT_EQ(first_reason(report), "");
  EXPECT_EQ(report.path.size(), 8u);
  EXPECT_EQ(report.work.signature_checks, 7u);
}

TEST(PathologicalChain, OfAHundredCertificatesIsRefusedUnread) {
  const PathReport report = Chain{98}.validate({.now = kNow});
  EXPECT_EQ(first_reason(report), reasons::kChainTooManyPresented);
  EXPECT_EQ(report.work.signature_checks, 0u);
}

TEST(PathologicalChain, OfAHundredCertificatesIsLeftEarlyWhereSoManyMayBePresented) {
  PathPolicy policy{.now = kNow};
  policy.limits.presented = 100;
  const PathReport report = Chain{98}.validate(policy);
  EXPECT_EQ(first_reason(report), reasons::kChainTooLong);
  EXPECT_LE(report.work.signature_checks, policy.limits.path_length);
}

// Every CA has certified every other, and none of them the anchor's child.
TEST(PathologicalChain, CliqueOfCrossSignedCasIsLeft) {
  constexpr int kSize = 9;
  const made::Root root{"root"};
  std::vector<Key> keys;
  for (int i = 0; i < kSize; ++i) keys.push_back(made::new_key());
  std::vector<Certificate> cross;
  const auto name = [](int i) { return "CA " + std::to_string(i); };
  for (int subject = 0; subject < kSize; ++subject) {
    for (int issuer = 0; issuer < kSize; ++issuer) {
      if (subject == issuer) continue;
      cross.push_back(
          made::certificate({name(subject), keys[subject], name(issuer), keys[issuer], made::ca_extensions()}));
    }
  }
  const Certificate leaf = made::certificate({"leaf", made::new_key(), name(0), keys[0]});
  PathPolicy policy{.now = kNow};
  policy.limits.presented = cross.size();
  const PathReport report = validate_path(leaf, cross, std::span{&root.certificate, 1}, policy);
  EXPECT_EQ(first_reason(report), reasons::kChainSearchExhausted);
  expect_within(report.work, policy.limits);
}

// A hundred CAs of one name: which of them signed can only be found out by trying.
TEST(PathologicalChain, CrowdOfOneNameIsLeft) {
  const made::Root root{"root"};
  std::vector<Certificate> crowd;
  Key last;
  for (int i = 0; i < 100; ++i) {
    last = made::new_key();
    crowd.push_back(made::certificate({"same", last, "same", made::new_key(), made::ca_extensions()}));
  }
  const Certificate leaf = made::certificate({"leaf", made::new_key(), "same", made::new_key()});
  PathPolicy policy{.now = kNow};
  policy.limits.presented = crowd.size();
  const PathReport report = validate_path(leaf, crowd, std::span{&root.certificate, 1}, policy);
  EXPECT_EQ(first_reason(report), reasons::kChainSearchExhausted);
  expect_within(report.work, policy.limits);
}

// Key identifiers say whom to try first, so an honest path is found in a crowd.
TEST(PathologicalChain, HonestPathIsFoundAmongImpostors) {
  const made::Root root{"root"};
  std::vector<Certificate> presented;
  for (int i = 0; i < 15; ++i) {
    presented.push_back(made::certificate({"CA", made::new_key(), "root", made::new_key(), made::ca_extensions()}));
  }
  const Key key = made::new_key();
  presented.push_back(made::certificate({"CA", key, root.name, root.key, made::ca_extensions()}));
  const Certificate leaf = made::certificate({"leaf", made::new_key(), "CA", key});
  const PathReport report = validate_path(leaf, presented, std::span{&root.certificate, 1}, {.now = kNow});
  EXPECT_EQ(first_reason(report), "");
  EXPECT_EQ(report.work.signature_checks, 2u);
}

// The first path that is found is refused; another is not.
TEST(PathologicalChain, SearchGoesBackFromARefusedPath) {
  const made::Root root{"root"};
  const Key key = made::new_key();
  const Extensions forbidding{{"nameConstraints", "critical,excluded;DNS:example.com"}};
  const std::vector<Certificate> presented{
      made::certificate({"CA", key, root.name, root.key, made::ca_extensions(forbidding), 2}),
      made::certificate({"CA", key, root.name, root.key, made::ca_extensions(), 3})};
  const Certificate leaf =
      made::certificate({"leaf", made::new_key(), "CA", key, {{"subjectAltName", "DNS:pump.example.com"}}});
  const PathReport report = validate_path(leaf, presented, std::span{&root.certificate, 1}, {.now = kNow});
  EXPECT_EQ(first_reason(report), "");
  EXPECT_EQ(report.work.paths, 2u);
}

std::string many(const std::string& prefix, int count, const std::string& suffix) {
  std::string list;
  for (int i = 0; i < count; ++i) list += (i > 0 ? "," : "") + prefix + std::to_string(i) + suffix;
  return list;
}

TEST(PathologicalNames, TenThousandAreRefusedUnread) {
  const Key key = made::new_key();
  const Bytes der = made::certificate_der({"leaf", key, "CA", key, {{"subjectAltName", many("DNS:n", 10'000, ".a")}}});
  EXPECT_EQ(Certificate::parse_der(der).error().reason, reasons::kCertificateTooLarge);
}

TEST(PathologicalNames, MoreThanTheLimitAreRefusedAlsoWhereTheyAreShort) {
  const Key key = made::new_key();
  const Bytes der = made::certificate_der({"leaf", key, "CA", key, {{"subjectAltName", many("DNS:n", 65, "")}}});
  EXPECT_EQ(Certificate::parse_der(der).error().reason, reasons::kCertificateSanInvalid);
}

TEST(PathologicalNames, ConstraintsTimesNamesAreBounded) {
  const std::string subtrees =
      many("permitted;DNS:p", 63, ".a") + ",permitted;DNS:a," + many("excluded;DNS:e", 64, ".b");
  const Chain chain{5, {{"nameConstraints", "critical," + subtrees}}, {{"subjectAltName", many("DNS:n", 64, ".a")}}};
  PathPolicy policy{.now = kNow};
  EXPECT_EQ(first_reason(chain.validate(policy)), reasons::kChainNameConstraintsTooCostly);
  expect_within(chain.validate(policy).work, policy.limits);
  policy.limits.name_comparisons = 100'000;
  EXPECT_EQ(first_reason(chain.validate(policy)), "");
}

// Each CA maps both of its policies to both of the next: a tree would double at every level.
TEST(PathologicalPolicies, MappingsCannotMultiply) {
  const Extensions doubling{{"certificatePolicies", "1.2.3.1,1.2.3.2"},
                            {"policyMappings", "1.2.3.1:1.2.3.1,1.2.3.1:1.2.3.2,1.2.3.2:1.2.3.1,1.2.3.2:1.2.3.2"}};
  const Chain chain{6, doubling, {{"certificatePolicies", "1.2.3.1,1.2.3.2"}}};
  PathPolicy policy{.now = kNow};
  policy.policies.require_explicit_policy = true;
  const PathReport report = chain.validate(policy);
  EXPECT_EQ(first_reason(report), "");
  EXPECT_EQ(report.work.policy_nodes, 1u + 2u * 7u);
}

TEST(PathologicalPolicies, GraphStaysSmallWhateverTheCertificatesSay) {
  PathExtensions extensions;
  extensions.policies.emplace();
  for (std::size_t i = 0; i < kMaxPolicies; ++i) {
    extensions.policies->push_back("1.2." + std::to_string(i));
    extensions.mappings.push_back({"1.2." + std::to_string(i % 8), "1.3." + std::to_string(i)});
  }
  extensions.policies->back() = kAnyPolicy;
  const PolicyInputs inputs;
  PolicyGraph graph{inputs, 8};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(graph.add(extensions, false), "");
  EXPECT_LE(graph.node_count(), 8 * 4 * kMaxPolicies);
}

TEST(PathologicalPolicies, MoreThanTheLimitAreRefused) {
  const Chain chain{1, {{"certificatePolicies", many("1.2.3.", 65, "")}}};
  EXPECT_EQ(first_reason(chain.validate({.now = kNow})), reasons::kChainTooManyPolicies);
}

}  // namespace
}  // namespace muster::x509
