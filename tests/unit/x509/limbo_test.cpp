// SPDX-License-Identifier: Apache-2.0
//
// C2SP x509-limbo, core cases with a leaf for clientAuth.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "unit/x509/vectors.h"
#include "x509/crl_collection.h"
#include "x509/path_validator.h"

namespace muster::x509 {
namespace {

using Json = nlohmann::json;

// Valid by limbo, refused by us. At most eight, and never the other way round.
const std::map<std::string, const char*> kRefused{
    {"cve::cve-2024-0567", "its anchor lacks the AKI for whose lack cross-signed-root-missing-aki must be refused"},
};

UtcTime time_of(const Json& test) {
  if (test["validation_time"].is_null()) return parse_rfc3339("2026-01-01T00:00:00Z").value();
  return parse_rfc3339(test["validation_time"].get<std::string>()).value();
}

// nullopt: one that nobody can read, as its reason says.
std::optional<std::vector<Certificate>> parse_all(const Json& pems, std::string_view& reason) {
  std::vector<Certificate> certificates;
  for (const std::string pem : pems) {
    auto certificate = Certificate::parse_pem(pem);
    if (!certificate.ok()) {
      reason = certificate.error().reason;
      return std::nullopt;
    }
    certificates.push_back(std::move(*certificate));
  }
  return certificates;
}

// The reason of a refusal; empty: valid.
std::string_view verdict(const Json& test) {
  std::string_view reason;
  const auto anchors = parse_all(test["trusted_certs"], reason);
  const auto intermediates = parse_all(test["untrusted_intermediates"], reason);
  const auto leaf = parse_all(Json::array({test["peer_certificate"]}), reason);
  if (!anchors || !intermediates || !leaf) return reason;
  PathPolicy policy{.now = time_of(test)};
  policy.usage = ExtendedKeyUsage::kClientAuth;
  if (!test["max_chain_depth"].is_null()) policy.max_intermediates = test["max_chain_depth"].get<std::uint32_t>();

  std::vector<Bytes> crls;
  for (const std::string pem : test["crls"]) crls.push_back(find_pem(pem, "X509 CRL").value_or(Bytes{}));
  const std::vector<BytesView> views{crls.begin(), crls.end()};
  CrlPolicy crl_policy{.now = policy.now, .max_age = std::chrono::years{100}};
  const auto collected = collect_crls({views, *intermediates, *anchors}, policy, crl_policy);
  if (!crls.empty()) policy.crls = &collected;
  const PathReport report = validate_path(leaf->front(), *intermediates, *anchors, policy);
  return report.valid() ? std::string_view{} : report.findings.front().reason;
}

TEST(Limbo, VerdictsAreThoseOfTheSuite) {
  if (!has_vectors("limbo-client-core.json")) GTEST_SKIP();
  ASSERT_LE(kRefused.size(), 8u);
  const Json suite = Json::parse(read_vector(vector_path("limbo-client-core.json")));
  for (const Json& test : suite["testcases"]) {
    const std::string id = test["id"];
    const std::string_view reason = verdict(test);
    const bool expected = test["expected_result"] == "SUCCESS" && !kRefused.contains(id);
    EXPECT_EQ(reason.empty(), expected) << id << " " << reason;
  }
  EXPECT_EQ(suite["testcases"].size(), 135u);
}

}  // namespace
}  // namespace muster::x509
