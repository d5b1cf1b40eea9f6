// SPDX-License-Identifier: Apache-2.0
#include "x509/external_chain.h"

#include <algorithm>

#include "x509/path_validator.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

constexpr std::size_t kMaxPresentedBeside = 8;  // certificates that somebody may present beside the leaf

PathPolicy client_policy(UtcTime now, const SignatureAllowance& allowance) {
  PathPolicy policy{.now = now, .usage = ExtendedKeyUsage::kClientAuth};
  policy.require_profile = false;  // what §4 asks of issuers is their affair
  policy.limits.signature_checks = allowance.checks;
  policy.limits.signature_cost = allowance.cost;
  policy.memory = allowance.memory;
  policy.limits.presented = kMaxPresentedBeside + kMaxAnchorIntermediates + 1;
  return policy;
}

// The presented ones and those that came with the anchor.
std::vector<Certificate> all_intermediates(std::span<const Certificate> presented, const ExternalAnchor& anchor) {
  std::vector<Certificate> all(presented.begin(), presented.end());
  for (const Certificate& known : anchor.intermediates) {
    const bool there = std::ranges::any_of(all, [&](const Certificate& c) { return c.id() == known.id(); });
    if (!there) all.push_back(known);
  }
  return all;
}

// ChainJudge adds what validate_path does not know of. Confined to one call of judge_external_chain.
class ChainJudge {
 public:
  ChainJudge(const ExternalAnchor& anchor, UtcTime now, ExternalChain& chain)
      : anchor_(anchor), now_(now), chain_(chain) {}

  void judge_leaf(const Certificate& leaf) {
    if (leaf.is_ca() || leaf.allows(KeyUsageBit::kKeyCertSign)) find(reasons::kChainLeafIsCa, 0);
    if (leaf.has_key_usage() && !leaf.allows(KeyUsageBit::kDigitalSignature)) find(reasons::kChainKeyUsageMissing, 0);
    auto device = read_device_id(leaf, anchor_.rule);
    if (device.ok()) {
      chain_.device = std::move(device).value();
    } else {
      find(device.error().reason, 0);
    }
  }

  void judge_revocation(std::span<const Certificate> path) {
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
      const Sha256& issuer = path[i + 1].spki_sha256();
      chain_.revocation_keys.push_back(revocation_key(path[i].id()));
      chain_.revocation_keys.push_back(revocation_key(issuer, path[i].serial_hex()));
      if (anchor_.expired_crl == ExpiredCrl::kFailClosed) check_age(issuer, i);
    }
    if (is_revoked(chain_.revocation_keys, anchor_.revoked)) find(reasons::kExternalRevoked, 0);
  }

 private:
  void find(std::string_view reason, std::size_t index) { chain_.findings.push_back({reason, index, {}}); }

  // The leaf's issuer must have a CRL; one of those above it must be current where there is one at all.
  void check_age(const Sha256& issuer, std::size_t index) {
    const auto held = std::ranges::find(anchor_.crls, issuer, &CrlDeadline::issuer_key);
    if (held == anchor_.crls.end()) {
      if (index == 0) find(reasons::kExternalCrlMissing, index);
    } else if (now_ > held->next_update) {
      find(reasons::kExternalCrlExpired, index);
    }
  }

  const ExternalAnchor& anchor_;
  const UtcTime now_;
  ExternalChain& chain_;
};

}  // namespace

bool is_revoked(std::span<const RevocationKey> keys, std::span<const RevocationKey> revoked) {
  return std::ranges::any_of(keys, [&](const RevocationKey& key) { return std::ranges::binary_search(revoked, key); });
}

ExternalChain judge_external_chain(const Certificate& leaf, std::span<const Certificate> presented,
                                   const ExternalAnchor& anchor, UtcTime now, const SignatureAllowance& allowance) {
  ExternalChain chain;
  if (presented.size() > kMaxPresentedBeside + 1) {  // brokers show the leaf among them
    chain.findings.push_back({reasons::kChainTooManyPresented, 0, {}});
    return chain;
  }
  const std::vector<Certificate> intermediates = all_intermediates(presented, anchor);
  PathReport report =
      validate_path(leaf, intermediates, {&anchor.trust.certificate(), 1}, client_policy(now, allowance));
  chain.findings = std::move(report.findings);
  chain.signature_checks = report.work.signature_checks;
  chain.signature_cost = report.work.signature_cost;
  chain.not_after = report.not_after;
  chain.anchored = report.anchor_index.has_value();
  if (!chain.anchored) return chain;
  ChainJudge judge{anchor, now, chain};
  judge.judge_leaf(leaf);
  judge.judge_revocation(report.path);
  return chain;
}

}  // namespace muster::x509
