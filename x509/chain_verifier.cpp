// SPDX-License-Identifier: Apache-2.0
#include "x509/chain_verifier.h"

#include <algorithm>

#include "x509/name_constraints.h"
#include "x509/path_builder.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

// PathChecker judges one path and collects findings. Confined to one call of verify_chain.
class PathChecker {
 public:
  PathChecker(const ChainPolicy& policy, ChainReport& report) : policy_(policy), report_(report) {}

  void check(const std::vector<const Certificate*>& path) {
    for (std::size_t i = 0; i < path.size(); ++i) {
      check_validity(*path[i], i);
      for (const std::string& oid : path[i]->unknown_critical_extensions()) {
        find(reasons::kChainUnknownCriticalExtension, i, oid);
      }
      if (i > 0) check_issuer(path, i);
    }
    check_leaf(*path.front());
  }

 private:
  void find(std::string_view reason, std::size_t index, std::string parameter = {}) {
    report_.findings.push_back({reason, index, std::move(parameter)});
  }

  void check_validity(const Certificate& certificate, std::size_t index) {
    if (policy_.now < certificate.not_before()) {
      find(reasons::kChainNotYetValid, index, to_rfc3339(certificate.not_before()));
    }
    if (policy_.now > certificate.not_after()) find(reasons::kChainExpired, index, to_rfc3339(certificate.not_after()));
    report_.not_after = std::min(report_.not_after, certificate.not_after());
  }

  void check_issuer(const std::vector<const Certificate*>& path, std::size_t index) {
    const Certificate& issuer = *path[index];
    if (!issuer.is_ca()) find(reasons::kChainIssuerNotACa, index);
    if (!issuer.allows(KeyUsageBit::kKeyCertSign)) find(reasons::kChainIssuerKeyUsage, index);
    if (issuer.has_extended_key_usage() && !issuer.allows(ExtendedKeyUsage::kAny)) check_usage(issuer, index);
    std::size_t intermediates = 0;
    for (std::size_t below = 0; below < index; ++below) {
      // [RFC5280 6.1.4 l] self-issued intermediates do not count and [6.1.3 b] need not obey name constraints
      const bool exempt = below > 0 && path[below]->is_self_issued();
      if (exempt) continue;
      if (below > 0) ++intermediates;
      check_constraints(issuer, *path[below], below);
    }
    if (issuer.path_length() && intermediates > *issuer.path_length()) {
      find(reasons::kChainPathLengthExceeded, index, std::to_string(*issuer.path_length()));
    }
  }

  void check_constraints(const Certificate& issuer, const Certificate& subject, std::size_t subject_index) {
    if (!issuer.name_constraints()) return;
    const auto reason = check_names(subject.subject_alt_names(), *issuer.name_constraints());
    if (!reason.empty()) find(reason, subject_index);
  }

  void check_usage(const Certificate& certificate, std::size_t index) {
    if (policy_.purpose == ChainPurpose::kTlsServer) {
      if (!certificate.allows(ExtendedKeyUsage::kServerAuth)) find(reasons::kChainEkuServerAuthMissing, index);
    } else if (!certificate.allows(ExtendedKeyUsage::kClientAuth)) {
      find(reasons::kChainEkuClientAuthMissing, index);
    }
  }

  void check_leaf(const Certificate& leaf) {
    if (leaf.is_ca() || leaf.allows(KeyUsageBit::kKeyCertSign)) find(reasons::kChainLeafIsCa, 0);
    if (!leaf.allows(KeyUsageBit::kDigitalSignature)) find(reasons::kChainKeyUsageMissing, 0);
    check_usage(leaf, 0);  // no EKU at all is a missing one
    const auto key = PublicKey::parse(leaf.spki());
    if (!key.ok()) find(reasons::kChainKeyUnsupported, 0, std::string(key.error().reason));
    if (policy_.purpose == ChainPurpose::kDevice) check_device_name(leaf);
  }

  void check_device_name(const Certificate& leaf) {
    const auto uri = leaf.only_uri_san();
    if (!uri) return find(reasons::kChainUriSanNotUnique, 0);
    auto principal = parse_device_uri(*uri, policy_.trust_domain);
    if (!principal.ok()) return find(principal.error().reason, 0);
    report_.principal = std::move(principal).value();
  }

  const ChainPolicy& policy_;
  ChainReport& report_;
};

}  // namespace

ChainReport verify_chain(const Certificate& leaf, std::span<const Certificate> intermediates,
                         std::span<const TrustAnchor> anchors, const ChainPolicy& policy) {
  ChainReport report;
  report.not_after = leaf.not_after();
  if (intermediates.size() > kMaxPresented) {
    report.findings.push_back({reasons::kChainTooManyPresented, 0, std::to_string(intermediates.size())});
    return report;
  }
  PathBuilder builder{intermediates, anchors};
  const std::string_view failure = builder.search(leaf);
  std::vector<const Certificate*> path = builder.path();
  if (!failure.empty()) {
    report.findings.push_back({failure, 0, {}});
    path.resize(1);  // what can be said about the leaf is said all the same
  } else {
    report.anchor_index = builder.anchor_index();
    path.push_back(&anchors[*report.anchor_index].certificate());
    report.length = path.size();
  }
  PathChecker{policy, report}.check(path);
  return report;
}

}  // namespace muster::x509
