// SPDX-License-Identifier: Apache-2.0
#include "x509/path_checker.h"

#include <algorithm>

#include "x509/oids.h"
#include "x509/path_oids.h"
#include "x509/policy_graph.h"
#include "x509/reasons.h"
#include "x509/revocation.h"

namespace muster::x509 {

namespace {

std::string_view missing_usage(ExtendedKeyUsage usage) {
  return usage == ExtendedKeyUsage::kServerAuth ? reasons::kChainEkuServerAuthMissing
                                                : reasons::kChainEkuClientAuthMissing;
}

}  // namespace

void check_usage(const Certificate& certificate, std::size_t index, bool required, const PathPolicy& policy,
                 std::vector<ChainFinding>& findings) {
  if (!policy.usage) return;
  const bool restricted = certificate.has_extended_key_usage();
  // For a CA anyExtendedKeyUsage is no restriction; a leaf must name what it is for.
  const bool any = index > 0 && certificate.allows(ExtendedKeyUsage::kAny);
  if ((restricted && !any && !certificate.allows(*policy.usage)) || (!restricted && required)) {
    findings.push_back({missing_usage(*policy.usage), index, {}});
  }
}

void PathChecker::find(std::string_view reason, std::size_t index, std::string parameter) {
  report_.findings.push_back({reason, index, std::move(parameter)});
}

void PathChecker::check(const Path& path) {
  const bool readable = read_extensions(path);
  for (std::size_t i = 0; i < path.size(); ++i) {
    check_validity(*path[i], i);
    check_critical(*path[i], i);
    if (readable && policy_.require_profile) {
      for (std::string& violation : profile_violations(*path[i], extensions_[i], i > 0 && i + 1 == path.size())) {
        find(reasons::kChainProfileViolated, i, std::move(violation));
      }
    }
    if (i > 0) check_issuer(path, i);
  }
  if (path.size() < 2) return;
  check_intermediates(path);
  if (readable) check_policies(path);
  if (readable && policy_.crls != nullptr) check_revocation(path);
}

bool PathChecker::read_extensions(const Path& path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    auto extensions = read_path_extensions(*path[i]);
    if (!extensions.ok()) {
      find(extensions.error().reason, i, extensions.error().detail);
      return false;
    }
    extensions_.push_back(std::move(*extensions));
  }
  return true;
}

void PathChecker::check_validity(const Certificate& certificate, std::size_t index) {
  if (policy_.now < certificate.not_before()) {
    find(reasons::kChainNotYetValid, index, to_rfc3339(certificate.not_before()));
  }
  if (policy_.now > certificate.not_after()) find(reasons::kChainExpired, index, to_rfc3339(certificate.not_after()));
  report_.not_after = std::min(report_.not_after, certificate.not_after());
}

void PathChecker::check_critical(const Certificate& certificate, std::size_t index) {
  static const std::set<std::string> kProcessed{oid_text(oid::kPolicyMappings), oid_text(oid::kPolicyConstraints),
                                                oid_text(oid::kInhibitAnyPolicy)};
  static const std::string kPoints = oid_text(oid::kCrlDistributionPoints);
  for (const std::string& oid : certificate.unknown_critical_extensions()) {
    const bool processed = kProcessed.contains(oid) || (oid == kPoints && policy_.crls != nullptr);
    if (!processed) find(reasons::kChainUnknownCriticalExtension, index, oid);
  }
}

// §6.1.3 (b), (c) and §6.1.4 (k) to (n)
void PathChecker::check_issuer(const Path& path, std::size_t index) {
  const Certificate& issuer = *path[index];
  if (!issuer.is_ca()) find(reasons::kChainIssuerNotACa, index);
  const bool unrestricted = !issuer.has_key_usage() && !policy_.require_key_usage;
  if (!unrestricted && !issuer.allows(KeyUsageBit::kKeyCertSign)) find(reasons::kChainIssuerKeyUsage, index);
  check_usage(issuer, index, false, policy_, report_.findings);
  for (std::size_t below = 0; below < index; ++below) {
    // [RFC5280 6.1.3 b] self-issued intermediates need not obey name constraints
    if (below > 0 && is_self_issued(*path[below])) continue;
    const auto reason = constraints_.check(*path[below], issuer);
    if (!reason.empty()) find(reason, below);
  }
  check_path_length(path, index);
}

bool PathChecker::is_self_issued(const Certificate& certificate) {
  return names_.same(certificate.issuer(), certificate.subject());
}

// Between the leaf and the certificate at `below`; self-issued ones do not count, §6.1.4 (l).
std::size_t PathChecker::count_intermediates(const Path& path, std::size_t below) {
  std::size_t count = 0;
  for (std::size_t i = 1; i < below; ++i) count += is_self_issued(*path[i]) ? 0 : 1;
  return count;
}

void PathChecker::check_path_length(const Path& path, std::size_t index) {
  const auto limit = path[index]->path_length();
  if (limit && count_intermediates(path, index) > *limit) {
    find(reasons::kChainPathLengthExceeded, index, std::to_string(*limit));
  }
}

void PathChecker::check_intermediates(const Path& path) {
  const auto limit = policy_.max_intermediates;
  if (limit && count_intermediates(path, path.size() - 1) > *limit) {
    find(reasons::kChainPathLengthExceeded, 0, std::to_string(*limit));
  }
}

void PathChecker::check_policies(const Path& path) {
  const std::size_t length = path.size() - 1;
  PolicyGraph graph{policy_.policies, length};
  graph.apply_anchor(extensions_.back());
  std::string_view reason;
  for (std::size_t i = length; i-- > 0 && reason.empty();) {
    reason = graph.add(extensions_[i], is_self_issued(*path[i]));
    if (!reason.empty()) find(reason, i);
  }
  report_.work.policy_nodes += graph.node_count();
  if (reason.empty()) report_.policies = graph.user_constrained_policies();
}

void PathChecker::check_revocation(const Path& path) {
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    // [RFC9608 4] revocation of such a leaf is not looked up
    if (i == 0 && !path[0]->is_ca() && extensions_[0].has(oid::kNoRevAvail)) continue;
    const RevocationQuery query{*path[i], *path[i + 1], path.back()->spki_sha256(), policy_.now,
                                policy_.accept_expired_crls};
    const RevocationAnswer answer = revocation_status(query, *policy_.crls);
    if (answer.status == RevocationStatus::kRevoked) find(reasons::kChainRevoked, i, to_rfc3339(answer.revoked_at));
    if (answer.status == RevocationStatus::kUndetermined) find(reasons::kChainRevocationUnknown, i);
  }
}

PathReport search_path(const Certificate& leaf, std::span<const Certificate> intermediates,
                       std::span<const AnchorCandidate> anchors, const PathPolicy& policy,
                       const LeafCheck& check_leaf) {
  PathReport report;
  report.not_after = leaf.not_after();
  if (intermediates.size() > policy.limits.presented) {
    report.findings.push_back({reasons::kChainTooManyPresented, 0, std::to_string(intermediates.size())});
    return report;
  }
  NameTable names;
  NameConstraintChecker constraints{policy.limits.name_comparisons};
  PathWork work;
  const auto judge = [&](const PathChecker::Path& path, std::size_t anchor_index) {
    PathReport judged;
    judged.not_after = leaf.not_after();
    judged.anchor_index = anchor_index;
    for (const Certificate* certificate : path) judged.path.push_back(*certificate);
    PathChecker{policy, names, constraints, judged}.check(path);
    check_leaf(leaf, judged.findings);
    work.policy_nodes += judged.work.policy_nodes;
    const bool valid = judged.valid();
    if (valid || work.paths == 1) report = std::move(judged);
    return valid;
  };
  const std::string_view failure = PathBuilder{intermediates, anchors, policy, names, work}.search(leaf, judge);
  if (!failure.empty()) {
    report.findings.push_back({failure, 0, {}});
    // What can be said about the leaf is said all the same.
    PathChecker{policy, names, constraints, report}.check({&leaf});
    check_leaf(leaf, report.findings);
  }
  work.name_comparisons = constraints.comparisons();
  report.work = work;
  return report;
}

}  // namespace muster::x509
