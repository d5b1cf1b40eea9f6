// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/external_peer.h"

#include <algorithm>

#include "auth-plugin/reasons.h"
#include "x509/reasons.h"

namespace muster::auth_plugin {
namespace {

Error refused(std::string_view reason) { return Error{ErrorCode::kPermissionDenied, reason, {}}; }

// For all anchors together: other devices wait meanwhile. Sixteen look-alikes cost two each.
constexpr std::size_t kMaxSignatureChecks = 40;
constexpr std::size_t kMaxSignatureCost = 200;  // PublicKey::verification_cost: about 16 ms, whatever keys are shown

// A path to this anchor's key was found: the chain is of its PKI, whatever else is wrong with it.
struct Verdict {
  ExternalIndex::Entry entry;
  x509::ExternalChain chain;
};

// Whether there is a device to take the chain for, among them whether the tenant is one that edges know.
Result<PeerEvidence> to_evidence(const Verdict& verdict, const ParsedChain& chain, const IdentityState& state) {
  const ExternalAnchorEntry& entry = *verdict.entry;
  if (!verdict.chain.findings.empty()) return refused(verdict.chain.findings.front().reason);
  if (!verdict.chain.device) return refused(x509::reasons::kExternalDeviceIdMissing);
  if (entry.status != edge::EntityStatus::kActive) return refused(reasons::kTrustAnchorSuspended);
  const auto tenant = state.view->find_tenant(entry.tenant_id);
  auto name = tenant ? TenantName::parse(tenant->name) : Result<TenantName>(refused(reasons::kTenantUnknown));
  if (!name.ok()) return refused(reasons::kTenantUnknown);

  const Sha256 credential = x509::external_credential_id(entry.id, *verdict.chain.device);
  auto external = std::make_shared<ExternalEvidence>();
  external->revocation_keys = verdict.chain.revocation_keys;
  if (entry.reports_unknown && !state.view->find_certificate(credential)) {
    const auto keep = [&](const x509::Certificate& certificate) {
      external->chain.emplace_back(certificate.der().begin(), certificate.der().end());
    };
    keep(*chain.leaf());
    for (const x509::Certificate& other : chain.others()) keep(other);
  }
  return PeerEvidence{.certificate_id = chain.leaf()->id(),
                      .principal = Principal{std::move(name).value(), *verdict.chain.device},
                      .tenant_id = entry.tenant_id,
                      .issuer_id = entry.id,
                      .anchor_key = entry.key,
                      .not_after = verdict.chain.not_after,
                      .credential_id = credential,
                      .tenant_by_name = chain.presented().tenant.has_value(),
                      .external = std::move(external)};
}

}  // namespace

std::optional<Result<PeerEvidence>> verify_external_peer(const ParsedChain& chain, const IdentityState& state,
                                                         UtcTime now, x509::SignatureMemory* memory) {
  if (!state.external || state.external->empty()) return std::nullopt;
  const std::optional<TenantId>& tenant = chain.presented().tenant;
  std::vector<Verdict> verdicts;
  std::size_t checks_left = kMaxSignatureChecks;
  std::size_t cost_left = kMaxSignatureCost;
  for (const auto& entry : state.external->candidates(chain.issuer_names(), tenant)) {
    const x509::SignatureAllowance allowance{std::min(checks_left, x509::kMaxExternalSignatureChecks), cost_left,
                                             memory};
    auto judged = x509::judge_external_chain(*chain.leaf(), chain.others(), entry->anchor, now, allowance);
    checks_left -= std::min(checks_left, judged.signature_checks);
    cost_left -= std::min(cost_left, judged.signature_cost);
    if (judged.anchored) verdicts.push_back({entry, std::move(judged)});
  }
  if (verdicts.empty()) return std::nullopt;
  // Whether another tenant's anchor verifies it as well stayed open.
  if (!tenant && (checks_left == 0 || cost_left == 0))
    return Result<PeerEvidence>(refused(x509::reasons::kChainSearchExhausted));
  const auto other_tenant = [&](const Verdict& verdict) {
    return verdict.entry->tenant_id != verdicts.front().entry->tenant_id;
  };
  if (!tenant && std::ranges::any_of(verdicts, other_tenant)) {
    return Result<PeerEvidence>(refused(reasons::kIssuerAmbiguous));
  }
  // One tenant may anchor a root and a CA under it, each with rules of its own: a device that is registered by one of
  // them comes by that one.
  std::optional<Result<PeerEvidence>> answer;
  for (const Verdict& verdict : verdicts) {
    auto evidence = to_evidence(verdict, chain, state);
    const bool registered = evidence.ok() && state.view->find_certificate(evidence->credential_id).has_value();
    if (registered) return evidence;
    if (!answer || (!answer->ok() && evidence.ok())) answer = std::move(evidence);
  }
  return answer;
}

}  // namespace muster::auth_plugin
