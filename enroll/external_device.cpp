// SPDX-License-Identifier: Apache-2.0
#include "enroll/external_device.h"

#include "enroll/external_validation.h"
#include "enroll/reasons.h"
#include "registry/anchor_lookup_store.h"
#include "x509/certificate.h"
#include "x509/chain_verifier.h"

namespace muster::enroll {

namespace {

// Tenants that share a CA; more than this look the same from outside as none.
constexpr std::size_t kMaxTenants = 16;

// Empty where one of them is no certificate, or there are too many.
std::vector<x509::Certificate> parse_chain(const std::vector<Bytes>& chain) {
  std::vector<x509::Certificate> certificates;
  if (chain.size() > x509::kMaxPresented + 1) return certificates;
  for (const Bytes& der : chain) {
    auto certificate = x509::Certificate::parse_der(der);
    if (!certificate.ok()) return {};
    certificates.push_back(std::move(*certificate));
  }
  return certificates;
}

Result<std::optional<registry::Device>> find(db::Transaction& tx, const TenantId& tenant,
                                             const std::vector<x509::Certificate>& chain, UtcTime now) {
  using Found = std::optional<registry::Device>;
  if (chain.empty()) return Found{};
  const auto presented = std::span{chain}.subspan(1);
  MUSTER_TRY(const auto verdict, judge_by_trust_anchors(tx, tenant, chain.front(), presented, now));
  if (!verdict || !verdict->findings.empty() || !verdict->device) return Found{};
  MUSTER_TRY(const DeviceName name, DeviceName::parse(*verdict->device));
  return registry::find_device(tx, tenant, name);
}

}  // namespace

Result<std::optional<registry::Device>> find_external_device(db::Transaction& tx, const TenantId& tenant,
                                                             const std::vector<Bytes>& chain, UtcTime now) {
  return find(tx, tenant, parse_chain(chain), now);
}

Result<bool> is_external_device(db::Transaction& tx, const std::vector<Bytes>& chain, UtcTime now) {
  const auto certificates = parse_chain(chain);
  std::vector<Bytes> issuers;
  for (const x509::Certificate& certificate : certificates) {
    issuers.emplace_back(certificate.issuer().begin(), certificate.issuer().end());
  }
  if (issuers.empty()) return false;
  MUSTER_TRY(const auto tenants, registry::find_anchor_tenants(tx, issuers, kMaxTenants));
  for (const TenantId& tenant : tenants) {
    MUSTER_TRY_VOID(tx.enter(db::Scope::of_tenant(tenant)));
    MUSTER_TRY(const auto device, find(tx, tenant, certificates, now));
    if (device) return true;
  }
  return false;
}

Result<void> require_external_device(db::Transaction& tx, const Caller& caller, const DeviceId& device, UtcTime now) {
  const Error forbidden{ErrorCode::kPermissionDenied, reasons::kCallerForbidden, {}};
  if (caller.role != CallerRole::kDevice || !caller.tenant || caller.device != device) return forbidden;
  MUSTER_TRY(const auto proved, find_external_device(tx, *caller.tenant, caller.external_chain, now));
  return proved && proved->id == device ? Result<void>{} : forbidden;
}

}  // namespace muster::enroll
