// SPDX-License-Identifier: Apache-2.0
#include "enroll/external_validation.h"

#include "enroll/reasons.h"
#include "enroll/trust_anchor.h"
#include "registry/device_store.h"

namespace muster::enroll {

namespace {

using registry::TrustAnchorStatus;

struct Candidate {
  ExternalVerdict verdict;
  bool registered = false;
};

bool is_known_to_edges(TrustAnchorStatus status) {
  return status != TrustAnchorStatus::kUnverified && status != TrustAnchorStatus::kRevoked;
}

Result<Candidate> to_candidate(db::Transaction& tx, const registry::TrustAnchorRow& anchor, x509::ExternalChain chain) {
  Candidate candidate;
  candidate.verdict.findings = std::move(chain.findings);
  const auto find = [&](std::string_view reason) { candidate.verdict.findings.push_back({reason, 0, {}}); };
  if (anchor.status == TrustAnchorStatus::kSuspended) find(reasons::kAnchorSuspended);
  if (!chain.device) return candidate;
  candidate.verdict.device = chain.device->text();
  const Sha256 id = x509::external_credential_id(anchor.id, *chain.device);
  MUSTER_TRY(const auto credential, registry::find_credential(tx, anchor.tenant_id, id));
  candidate.registered = credential.has_value();
  if (!credential) {
    find(reasons::kDeviceNotRegistered);
    return candidate;
  }
  const auto device = registry::get_device_by_id(tx, anchor.tenant_id, credential->device_id);
  const bool active = device.ok() && device->status == registry::DeviceStatus::kActive;
  if (!active) find(reasons::kValidationDeviceInactive);
  return candidate;
}

}  // namespace

Result<std::optional<ExternalVerdict>> judge_by_trust_anchors(db::Transaction& tx, const TenantId& tenant,
                                                              const x509::Certificate& leaf,
                                                              std::span<const x509::Certificate> presented,
                                                              UtcTime at) {
  std::optional<ExternalVerdict> answer;
  MUSTER_TRY(const auto rows, registry::list_trust_anchors(tx, tenant));
  for (const registry::TrustAnchorRow& row : rows) {
    if (!is_known_to_edges(row.status)) continue;
    MUSTER_TRY(const auto anchor, to_external_anchor(tx, row));
    auto chain = x509::judge_external_chain(leaf, presented, anchor, at);
    if (!chain.anchored) continue;
    MUSTER_TRY(auto candidate, to_candidate(tx, row, std::move(chain)));
    // As the broker: of several anchors the one that the device is registered by.
    if (candidate.registered) return std::optional<ExternalVerdict>{std::move(candidate.verdict)};
    if (!answer || (!answer->findings.empty() && candidate.verdict.findings.empty())) {
      answer = std::move(candidate.verdict);
    }
  }
  return answer;
}

}  // namespace muster::enroll
