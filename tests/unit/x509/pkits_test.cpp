// SPDX-License-Identifier: Apache-2.0
//
// NIST PKITS: path validation with CRLs, delta CRLs and policies.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "unit/x509/vectors.h"
#include "x509/certificate_parser.h"
#include "x509/crl_collection.h"
#include "x509/path_validator.h"

namespace muster::x509 {
namespace {

using Json = nlohmann::json;

// Valid by PKITS, refused by us.
const std::map<std::string, const char*> kRefused{
    {"4.1.5", "DSA parameters are not inherited"},
    {"4.14.24", "cRLIssuer: indirect CRLs are not followed"},
    {"4.14.25", "cRLIssuer: indirect CRLs are not followed"},
    {"4.14.28", "cRLIssuer: indirect CRLs are not followed"},
    {"4.14.29", "cRLIssuer: indirect CRLs are not followed"},
    {"4.14.30", "cRLIssuer: indirect CRLs are not followed"},
    {"4.14.33", "cRLIssuer: indirect CRLs are not followed"},
};

std::set<std::string> policy_set(const std::string& names) {
  std::set<std::string> policies;
  std::istringstream list{names};
  for (std::string name; std::getline(list, name, ',');) {
    const std::string number = name.substr(name.rfind('-') + 1);
    policies.insert(name == "anyPolicy" ? "2.5.29.32.0" : "2.16.840.1.101.3.2.1.48." + number);
  }
  return policies;
}

PathPolicy path_policy(const Json& settings) {
  PathPolicy policy{.now = parse_rfc3339("2011-04-15T00:00:00Z").value()};
  policy.require_profile = false;  // PKITS has policyConstraints that are not critical, and such
  policy.algorithms.allow_legacy = true;
  policy.policies.acceptable = policy_set(settings.value("SetInitialPolicySet", ""));
  policy.policies.require_explicit_policy = settings.contains("SetInitialExplicitPolicy");
  policy.policies.inhibit_policy_mapping = settings.contains("SetInitialPolicyMappingInhibit");
  policy.policies.inhibit_any_policy = settings.contains("SetInitialInhibitAnyPolicy");
  return policy;
}

PathReport validate(const Json& test) {
  std::vector<Certificate> certificates;
  for (const std::string text : test["cert_der"]) {
    auto certificate = CertificateParser{true}.parse(from_base64(text).value());
    if (!certificate.ok()) {
      PathReport unreadable;
      unreadable.findings.push_back({certificate.error().reason, 0, {}});
      return unreadable;
    }
    certificates.push_back(std::move(*certificate));
  }
  std::vector<Bytes> crls;
  for (const std::string text : test["crl_der"]) crls.push_back(from_base64(text).value());
  const std::vector<BytesView> views{crls.begin(), crls.end()};
  const std::span all{certificates};
  const auto intermediates = all.subspan(1, all.size() - 2);

  PathPolicy policy = path_policy(test["settings"]);
  CrlPolicy crl_policy{.now = policy.now};
  crl_policy.accept_delta = true;
  crl_policy.accept_own_part_of_indirect = true;
  crl_policy.algorithms.allow_legacy = true;
  PathPolicy signer_policy = policy;
  signer_policy.policies = {};  // what the relying party wants of the leaf's policies says nothing about CRL signers
  const auto collected = collect_crls({views, intermediates, all.first(1)}, signer_policy, crl_policy);
  policy.crls = &collected;
  return validate_path(all.back(), intermediates, all.first(1), policy);
}

TEST(Pkits, VerdictsAreThoseOfNist) {
  if (!has_vectors("pkits.json")) GTEST_SKIP();
  const Json tests = Json::parse(read_vector(vector_path("pkits.json")));
  std::size_t equal = 0;
  std::set<std::string> refused;
  for (const Json& test : tests) {
    const std::string number = test["number"];
    const PathReport report = validate(test);
    const std::string_view reason = report.valid() ? "valid" : report.findings.front().reason;
    if (kRefused.contains(number)) {
      EXPECT_FALSE(report.valid()) << number;
      refused.insert(number);
      continue;
    }
    EXPECT_EQ(report.valid(), test["valid"].get<bool>()) << number << " " << test["name"] << " " << reason;
    equal += report.valid() == test["valid"].get<bool>() ? 1 : 0;
    if (report.valid() && test["settings"].contains("SetUserConstrainedPolicySet")) {
      EXPECT_EQ(report.policies, policy_set(test["settings"]["SetUserConstrainedPolicySet"])) << number;
    }
  }
  EXPECT_EQ(equal, 242u);
  EXPECT_EQ(refused.size(), kRefused.size());
}

}  // namespace
}  // namespace muster::x509
