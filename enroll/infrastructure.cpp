// SPDX-License-Identifier: Apache-2.0
#include "enroll/infrastructure.h"

#include <arpa/inet.h>

#include <algorithm>
#include <optional>

#include "ca/certificate_linter.h"
#include "core/encoding.h"
#include "db/transaction.h"
#include "enroll/authorisation.h"
#include "enroll/reasons.h"
#include "registry/edge_store.h"
#include "registry/reasons.h"
#include "x509/certificate.h"
#include "x509/certificate_request.h"
#include "x509/reasons.h"

namespace muster::enroll {

namespace {

constexpr std::size_t kMaxDnsName = 253;  // RFC 1035 §2.3.4, without the final dot
constexpr std::size_t kMaxDnsLabel = 63;
constexpr std::size_t kMaxCommonName = 64;
constexpr std::uint8_t kDnsTag = 2;
constexpr std::uint8_t kUriTag = 6;
constexpr std::uint8_t kIpTag = 7;

bool is_dns_label(std::string_view label) {
  if (label.empty() || label.size() > kMaxDnsLabel || label.front() == '-' || label.back() == '-') return false;
  return std::ranges::all_of(label,
                             [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

bool is_dns_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxDnsName) return false;
  while (true) {
    const std::size_t dot = name.find('.');
    if (!is_dns_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

// [RFC9525 6.3] '*' is a whole label, the leftmost: brokers are called "{tenant}.{suffix}". At least two labels follow.
bool is_wildcard(std::string_view name) {
  return name.starts_with("*.") && is_dns_name(name.substr(2)) && name.find('.', 2) != std::string_view::npos;
}

std::optional<x509::GeneralName> server_name(const std::string& text) {
  char address[16];
  if (inet_pton(AF_INET, text.c_str(), address) == 1) return x509::GeneralName{kIpTag, std::string(address, 4)};
  if (inet_pton(AF_INET6, text.c_str(), address) == 1) return x509::GeneralName{kIpTag, std::string(address, 16)};
  if (is_dns_name(text) || is_wildcard(text)) return x509::GeneralName{kDnsTag, text};
  return std::nullopt;
}

ca::CertificateKind kind_of(InfrastructureRole role) {
  switch (role) {
    case InfrastructureRole::kServer: return ca::CertificateKind::kServer;
    case InfrastructureRole::kBroker: return ca::CertificateKind::kBroker;
    case InfrastructureRole::kEdge: return ca::CertificateKind::kEdge;
  }
  return ca::CertificateKind::kEdge;
}

registry::InfrastructureKind registry_kind_of(InfrastructureRole role) {
  switch (role) {
    case InfrastructureRole::kServer: return registry::InfrastructureKind::kServer;
    case InfrastructureRole::kBroker: return registry::InfrastructureKind::kBroker;
    case InfrastructureRole::kEdge: return registry::InfrastructureKind::kEdgeClient;
  }
  return registry::InfrastructureKind::kEdgeClient;
}

Result<void> authorise(const Caller& caller, const InfrastructureRequest& request) {
  if (request.role == InfrastructureRole::kServer || !request.edge) return require_platform(caller);
  return require_edge(caller, *request.edge);
}

// Common name and SANs.
Result<ca::CertificateSubject> name_subject(const AuthorityContext& context, const InfrastructureRequest& request) {
  const Error invalid{ErrorCode::kInvalidArgument, reasons::kNameInvalid, {}};
  ca::CertificateSubject subject;
  if (request.role == InfrastructureRole::kEdge) {
    if (!request.edge || !request.names.empty()) return invalid;
    subject.common_name = request.edge->text();
    subject.names = {{kUriTag, edge_uri(*request.edge, context.trust_domain)}};
    return subject;
  }
  if (request.names.empty() || request.names.size() > kMaxServerNames) return invalid;
  for (const std::string& text : request.names) {
    auto name = server_name(text);
    if (!name) return Error{ErrorCode::kInvalidArgument, reasons::kNameInvalid, text};
    subject.names.push_back(std::move(*name));
  }
  if (request.names.front().size() <= kMaxCommonName) subject.common_name = request.names.front();
  return subject;
}

Result<x509::Certificate> sign(const AuthorityContext& context, const ca::CertificateOrder& order) {
  MUSTER_TRY(const Bytes tbs, ca::build_tbs_certificate(order));
  const auto findings = ca::lint_certificate(tbs, order);
  if (!findings.empty()) return Error{ErrorCode::kInternal, findings.front().reason, findings.front().detail};
  MUSTER_TRY(const Bytes signature, context.signer->sign_certificate({TenantId{}, order.issuer.id, tbs}));
  MUSTER_TRY(const Bytes der, ca::assemble_signed(tbs, signature));
  MUSTER_TRY_VOID(ca::check_signed(der, tbs));
  return x509::Certificate::parse_der(der);
}

Result<void> store(const AuthorityContext& context, db::Transaction& tx, const Caller& caller,
                   const registry::InfrastructureCertificate& row) {
  auto stored = registry::store_infrastructure_certificate(tx, row);
  if (!stored.ok() && stored.error().reason == registry::kKeyAlreadyUsed) {
    return Error{ErrorCode::kConflict, reasons::kKeyAlreadyUsed, {}};
  }
  MUSTER_TRY_VOID(std::move(stored));
  registry::AuditEvent event = audit_event(context, caller, TenantId{}, "infrastructure.issue");
  event.target = row.edge_id.is_nil() ? std::string("server") : "edge:" + row.edge_id.text();
  event.detail.emplace_back(registry::AuditField::kProfile, registry::to_string(row.kind));
  event.detail.emplace_back(registry::AuditField::kCertificateId, to_hex(row.id));
  event.detail.emplace_back(registry::AuditField::kNewKey, to_hex(row.spki_sha256));
  event.detail.emplace_back(registry::AuditField::kNotAfter, to_rfc3339(row.not_after));
  return registry::append_audit_event(tx, event);
}

}  // namespace

bool is_server_name(const std::string& name) { return server_name(name).has_value(); }

std::string edge_uri(const EdgeId& edge, const TrustDomain& trust_domain) {
  return "spiffe://" + trust_domain.text() + "/edge/" + edge.text();
}

Result<IssuedCertificate> issue_infrastructure(AuthorityContext& context, db::Transaction& tx, const Caller& caller,
                                               const InfrastructureRequest& request) {
  MUSTER_TRY_VOID(context.require_initialised());
  MUSTER_TRY_VOID(authorise(caller, request));
  MUSTER_TRY(const auto csr, x509::CertificateRequest::parse_pem(request.csr));
  if (context.blocked_keys.contains(csr.spki(), csr.spki_sha256())) {
    return Error{ErrorCode::kInvalidArgument, x509::reasons::kCsrKeyBlocked, {}};
  }
  MUSTER_TRY(ca::CertificateSubject subject, name_subject(context, request));
  subject.spki.assign(csr.spki().begin(), csr.spki().end());
  subject.key_algorithm = csr.key().algorithm();
  const ca::Profile profile = ca::Profile::standard(kind_of(request.role));
  const LoadedIssuer& root = *context.infrastructure_root;
  const Bytes serial = ca::random_serial();
  MUSTER_TRY(const auto certificate, sign(context, {profile, root.identity, subject, serial, context.clock.now()}));

  registry::InfrastructureCertificate row;
  row.id = certificate.id();
  row.edge_id = request.edge.value_or(EdgeId{});
  row.kind = registry_kind_of(request.role);
  row.issuer_id = root.identity.id;
  row.serial = serial;
  row.spki_sha256 = certificate.spki_sha256();
  row.not_before = certificate.not_before();
  row.not_after = certificate.not_after();
  row.certificate.assign(certificate.der().begin(), certificate.der().end());
  MUSTER_TRY_VOID(store(context, tx, caller, row));
  return IssuedCertificate{certificate.id(),     certificate.id_hex(),     certificate.serial_hex(), certificate.pem(),
                           root.certificate_pem, certificate.not_before(), certificate.not_after()};
}

}  // namespace muster::enroll
