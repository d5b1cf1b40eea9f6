// SPDX-License-Identifier: Apache-2.0
#include "x509/chain_verifier.h"

#include "x509/path_checker.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

PathPolicy path_policy_of(const ChainPolicy& policy) {
  PathPolicy path{.now = policy.now};
  path.usage =
      policy.purpose == ChainPurpose::kTlsServer ? ExtendedKeyUsage::kServerAuth : ExtendedKeyUsage::kClientAuth;
  path.require_usage = true;
  path.require_key_usage = true;
  path.require_profile = false;  // whoever issued under an accepted anchor was linted, or is not ours to correct here
  path.limits = {.presented = kMaxPresented,
                 .path_length = kMaxPathLength,
                 .signature_checks = kMaxSignatureChecks,
                 .signature_cost = kMaxSignatureCost};
  path.memory = policy.memory;
  return path;
}

void check_device_name(const Certificate& leaf, const TrustDomain& trust_domain, ChainReport& report,
                       std::vector<ChainFinding>& findings) {
  const auto uri = leaf.only_uri_san();
  if (!uri) {
    findings.push_back({reasons::kChainUriSanNotUnique, 0, {}});
    return;
  }
  auto principal = parse_device_uri(*uri, trust_domain);
  if (principal.ok()) {
    report.principal = std::move(principal).value();
  } else {
    findings.push_back({principal.error().reason, 0, {}});
  }
}

}  // namespace

ChainReport verify_chain(const Certificate& leaf, std::span<const Certificate> intermediates,
                         std::span<const TrustAnchor> anchors, const ChainPolicy& policy) {
  ChainReport report;
  const PathPolicy path_policy = path_policy_of(policy);
  std::vector<AnchorCandidate> candidates;
  candidates.reserve(anchors.size());
  for (const TrustAnchor& anchor : anchors) {
    candidates.push_back({anchor.certificate(), VerificationKey{anchor.key()}});
  }
  const auto check_leaf = [&](const Certificate& end, std::vector<ChainFinding>& findings) {
    const auto find = [&](std::string_view reason) { findings.push_back({reason, 0, {}}); };
    if (end.is_ca() || end.allows(KeyUsageBit::kKeyCertSign)) find(reasons::kChainLeafIsCa);
    if (!end.allows(KeyUsageBit::kDigitalSignature)) find(reasons::kChainKeyUsageMissing);
    check_usage(end, 0, path_policy.require_usage, path_policy, findings);
    const auto key = PublicKey::check(end.spki());
    if (!key.ok()) findings.push_back({reasons::kChainKeyUnsupported, 0, std::string(key.error().reason)});
    if (policy.purpose == ChainPurpose::kDevice) check_device_name(end, policy.trust_domain, report, findings);
  };
  PathReport path = search_path(leaf, intermediates, candidates, path_policy, check_leaf);
  report.findings = std::move(path.findings);
  report.anchor_index = path.anchor_index;
  report.not_after = path.not_after;
  report.length = path.path.size();
  report.signature_cost = path.work.signature_cost;
  return report;
}

}  // namespace muster::x509
