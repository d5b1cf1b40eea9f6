// SPDX-License-Identifier: Apache-2.0
#include "enroll/validation.h"

#include "db/transaction.h"
#include "enroll/authorisation.h"
#include "enroll/external_validation.h"
#include "enroll/reasons.h"
#include "registry/certificate_store.h"
#include "registry/device_store.h"
#include "registry/issuer_store.h"
#include "registry/reasons.h"
#include "registry/tenant_store.h"
#include "x509/certificate.h"
#include "x509/trust_anchor.h"

namespace muster::enroll {

namespace {

// What the registry knows of the tenant and of the certificate.
struct RegistryFacts {
  std::string tenant_name;
  std::vector<x509::TrustAnchor> anchors;
  std::optional<registry::CertificateRow> certificate;
  std::optional<registry::DeviceStatus> device_status;
};

Result<RegistryFacts> load_facts(db::Transaction& tx, const TenantId& tenant, const x509::Certificate& leaf,
                                 UtcTime at) {
  RegistryFacts facts;
  MUSTER_TRY(const registry::Tenant row, registry::get_tenant_by_id(tx, tenant));
  facts.tenant_name = row.name;
  MUSTER_TRY(const auto issuers, registry::list_issuers(tx, tenant));
  for (const registry::Issuer& issuer : issuers) {
    const bool vouches =
        issuer.status != registry::IssuerStatus::kRetired && issuer.status != registry::IssuerStatus::kRequested;
    if (!vouches) continue;
    MUSTER_TRY(auto anchor, x509::TrustAnchor::parse_der(issuer.certificate));
    facts.anchors.push_back(std::move(anchor));
  }
  auto certificate = registry::get_certificate(tx, tenant, leaf.id(), at);
  if (!certificate.ok()) {
    if (certificate.error().reason == registry::kCertificateNotFound) return facts;
    return std::move(certificate).error();
  }
  facts.certificate = std::move(certificate).value();
  const auto device = registry::get_device_by_id(tx, tenant, facts.certificate->device_id);
  if (device.ok()) facts.device_status = device->status;
  return facts;
}

void add_registry_findings(const RegistryFacts& facts, const x509::ChainReport& report, ValidationAnswer& answer) {
  if (report.principal && report.principal->tenant.text() != facts.tenant_name) {
    answer.findings.push_back({reasons::kValidationTenantMismatch, 0, {}});
  }
  if (!facts.certificate) {
    answer.findings.push_back({reasons::kValidationNotIssued, 0, {}});
    return;
  }
  if (facts.certificate->revoked_at) {
    answer.findings.push_back({reasons::kValidationRevoked, 0, to_rfc3339(*facts.certificate->revoked_at)});
  }
  if (facts.device_status != registry::DeviceStatus::kActive) {
    answer.findings.push_back({reasons::kValidationDeviceInactive, 0, {}});
  }
}

}  // namespace

Result<ValidationAnswer> validate_certificate(AuthorityContext& context, const Caller& caller,
                                              const ValidationRequest& request) {
  MUSTER_TRY_VOID(require_tenant_reader(caller, request.tenant));
  MUSTER_TRY(const auto leaf, x509::Certificate::parse_pem(request.certificate_pem));
  std::vector<x509::Certificate> intermediates;
  if (!request.chain_pem.empty()) {
    MUSTER_TRY(intermediates, x509::Certificate::parse_pem_list(request.chain_pem, x509::kMaxPresented));
  }
  const UtcTime at = request.at.value_or(context.clock.now());
  MUSTER_TRY(const RegistryFacts facts,
             db::run_in_transaction(context.pool, db::Scope::of_tenant(request.tenant),
                                    [&](db::Transaction& tx) { return load_facts(tx, request.tenant, leaf, at); }));
  x509::ChainReport report =
      x509::verify_chain(leaf, intermediates, facts.anchors, {x509::ChainPurpose::kDevice, context.trust_domain, at});
  ValidationAnswer answer;
  if (!report.anchor_index) {
    MUSTER_TRY(auto external,
               db::run_in_transaction(context.pool, db::Scope::of_tenant(request.tenant), [&](db::Transaction& tx) {
                 return judge_by_trust_anchors(tx, request.tenant, leaf, intermediates, at);
               }));
    if (external) {
      answer.findings = std::move(external->findings);
      answer.valid = answer.findings.empty();
      answer.device = std::move(external->device);
      return answer;
    }
  }
  answer.findings = std::move(report.findings);
  add_registry_findings(facts, report, answer);
  answer.valid = answer.findings.empty();
  if (report.principal) answer.device = report.principal->device.text();
  return answer;
}

}  // namespace muster::enroll
