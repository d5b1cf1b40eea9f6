// SPDX-License-Identifier: Apache-2.0
#include "enroll/ca_maker.h"

#include "ca/ca_request.h"
#include "ca/certificate_linter.h"
#include "ca/signer.h"
#include "ca/tbs_certificate.h"
#include "db/transaction.h"
#include "enroll/key_rows.h"
#include "registry/wrapped_key_store.h"
#include "x509/certificate.h"
#include "x509/certificate_request.h"

namespace muster::enroll {

namespace {

// Names of CAs are unique by their id: a path is found by key, but people and OpenSSL compare names.
std::string common_name(ca::CertificateKind kind, const IssuerId& id) {
  switch (kind) {
    case ca::CertificateKind::kDeviceRoot: return "Muster device root " + id.text();
    case ca::CertificateKind::kInfrastructureRoot: return "Muster TLS root " + id.text();
    case ca::CertificateKind::kPlatformIntermediate: return "Muster platform CA " + id.text();
    case ca::CertificateKind::kIssuingCa: return "Muster issuing CA " + id.text();
    case ca::CertificateKind::kPlantCa: return "Muster plant CA " + id.text();
    case ca::CertificateKind::kDevice:
    case ca::CertificateKind::kServer:
    case ca::CertificateKind::kBroker:
    case ca::CertificateKind::kEdge:
    case ca::CertificateKind::kOcspResponder: break;
  }
  return id.text();
}

Result<ca::Profile> profile_of(const CaOrder& order) {
  ca::ProfileConfig config = ca::Profile::standard(order.kind).config();
  if (order.validity_seconds != 0) config.validity_seconds = order.validity_seconds;
  return ca::Profile::create(std::move(config));
}

Result<ca::IssuerIdentity> signing_identity(const AuthorityContext& context, const CaOrder& order, const IssuerId& id,
                                            const ca::CertificateSubject& subject, UtcTime now) {
  if (order.parent != nullptr) {
    MUSTER_TRY(const auto certificate, x509::Certificate::parse_der(order.parent->certificate));
    return ca::issuer_identity(certificate, order.parent->id, context.config.plain_url);
  }
  MUSTER_TRY(const ca::Profile profile, profile_of(order));
  ca::IssuerIdentity self;
  self.id = id;
  self.name = ca::subject_name(subject.common_name);
  self.subject_key_id = ca::subject_key_id(subject.spki);
  self.not_before = now - profile.backdate();
  self.not_after = now + profile.validity() - std::chrono::seconds{1};
  self.algorithm = x509::algorithm_of(order.key_kind);
  return self;  // no distribution point: who distrusts a root removes it
}

Result<Bytes> sign_linted(const AuthorityContext& context, const ca::CertificateOrder& order,
                          const TenantId& signing_tenant) {
  MUSTER_TRY(const Bytes tbs, ca::build_tbs_certificate(order));
  const auto findings = ca::lint_certificate(tbs, order);
  if (!findings.empty()) return Error{ErrorCode::kInternal, findings.front().reason, findings.front().detail};
  MUSTER_TRY(const Bytes signature, context.signer->sign_certificate({signing_tenant, order.issuer.id, tbs}));
  MUSTER_TRY(Bytes certificate, ca::assemble_signed(tbs, signature));
  MUSTER_TRY_VOID(ca::check_signed(certificate, tbs));
  return certificate;
}

// The key alone, with the row that it will have.
Result<MadeCa> make_key(const AuthorityContext& context, const CaOrder& order) {
  MadeCa made;
  made.issuer.id = IssuerId::random();
  const ca::KeyOwner owner{order.tenant, made.issuer.id, ca::subject_name(common_name(order.kind, made.issuer.id))};
  MUSTER_TRY(made.key, context.signer->generate(owner, order.key_kind));
  made.issuer.tenant_id = order.tenant;
  made.issuer.kind = order.registry_kind;
  made.issuer.status = order.status;
  made.issuer.spki_sha256 = made.key.spki_sha256;
  made.issuer.slot = order.slot;
  made.issuer.name = order.name;
  return made;
}

Result<void> certify(const AuthorityContext& context, const CaOrder& order, MadeCa& made) {
  const UtcTime now = context.clock.now();
  ca::CertificateSubject subject;
  subject.common_name = common_name(order.kind, made.issuer.id);
  subject.key_algorithm = x509::algorithm_of(order.key_kind);
  subject.permitted_uri_host = order.permitted_uri_host;
  subject.spki = made.key.spki;
  MUSTER_TRY(const auto identity, signing_identity(context, order, made.issuer.id, subject, now));
  MUSTER_TRY(const ca::Profile profile, profile_of(order));
  const Bytes serial = ca::random_serial();
  const TenantId signing_tenant = order.parent == nullptr ? order.tenant : order.parent->tenant_id;
  MUSTER_TRY(made.issuer.certificate, sign_linted(context, {profile, identity, subject, serial, now}, signing_tenant));
  MUSTER_TRY(const auto certificate, x509::Certificate::parse_der(made.issuer.certificate));
  made.issuer.not_before = certificate.not_before();
  made.issuer.not_after = certificate.not_after();
  if (order.parent == nullptr) return {};
  made.issuer.parent_id = order.parent->id;
  made.issuer.chain.push_back(order.parent->certificate);
  for (const Bytes& above : order.parent->chain) made.issuer.chain.push_back(above);
  return {};
}

// The request's own signature is verified before anybody sees it: it shows that the key in it is the one that signed.
Result<Bytes> sign_request(const AuthorityContext& context, const registry::Issuer& issuer,
                           const ca::CaRequest& request) {
  MUSTER_TRY(const auto key, x509::PublicKey::parse(request.spki));
  const Bytes info = ca::build_request_info(request);
  MUSTER_TRY(const Bytes signature, context.signer->sign_request({issuer.tenant_id, issuer.id, info}));
  Bytes der = ca::assemble_request(info, key.algorithm(), signature);
  MUSTER_TRY_VOID(x509::CertificateRequest::parse_der(der));
  return der;
}

std::uint32_t path_length_wanted(registry::IssuerKind kind) {
  return kind == registry::IssuerKind::kDeviceIntermediate ? 2 : 1;
}

}  // namespace

std::uint32_t path_length_needed(registry::IssuerKind kind) {
  // Below the intermediate: an issuing CA and a plant's CA.
  return kind == registry::IssuerKind::kDeviceIntermediate ? 2 : 0;
}

db::Scope scope_of(const TenantId& tenant) {
  return tenant.is_nil() ? db::Scope::system() : db::Scope::of_tenant(tenant);
}

std::string uri_host_of(const AuthorityContext& context, const std::string& tenant_name) {
  return tenant_name + "." + context.trust_domain.text();
}

CaOrder issuing_order(const AuthorityContext& context, const registry::Tenant& tenant, const registry::Issuer* parent) {
  CaOrder order;
  order.tenant = tenant.id;
  order.permitted_uri_host = uri_host_of(context, tenant.name);
  order.parent = parent;
  return order;
}

Result<MadeCa> make_ca(const AuthorityContext& context, const CaOrder& order) {
  MUSTER_TRY_VOID(profile_of(order));  // before there is a key
  MUSTER_TRY(MadeCa made, make_key(context, order));
  const auto certified = certify(context, order, made);
  if (certified.ok()) return made;
  context.signer->discard(made.issuer.id, made.key);
  return certified.error();
}

Result<MadeCa> make_requested_ca(const AuthorityContext& context, const CaOrder& order) {
  MUSTER_TRY(MadeCa made, make_key(context, order));
  made.issuer.status = registry::IssuerStatus::kRequested;
  made.issuer.origin = registry::IssuerOrigin::kSubordinate;
  made.issuer.not_before = context.clock.now();
  made.issuer.not_after = made.issuer.not_before;
  auto request = sign_request(context, made.issuer,
                              {ca::subject_name(common_name(order.kind, made.issuer.id)), made.key.spki,
                               path_length_wanted(order.registry_kind), order.permitted_uri_host});
  if (!request.ok()) {
    context.signer->discard(made.issuer.id, made.key);
    return std::move(request).error();
  }
  made.issuer.request = std::move(request).value();
  // It is loaded again under the name that the certificate will give it.
  context.signer->unload(made.issuer.id);
  return made;
}

Result<void> store_ca(const AuthorityContext& context, db::Transaction& tx, const Caller& caller, const MadeCa& made) {
  MUSTER_TRY_VOID(registry::insert_issuer(tx, made.issuer));
  MUSTER_TRY_VOID(registry::insert_wrapped_key(tx, key_row(made.issuer, made.key)));
  registry::AuditEvent event = audit_event(context, caller, made.issuer.tenant_id, "issuer.create");
  event.target = "issuer:" + made.issuer.id.text();
  event.target_name = made.issuer.name;
  event.detail.emplace_back(registry::AuditField::kName, registry::to_string(made.issuer.kind));
  event.detail.emplace_back(registry::AuditField::kStatus, registry::to_string(made.issuer.status));
  if (!made.issuer.certificate.empty()) {
    event.detail.emplace_back(registry::AuditField::kNotAfter, to_rfc3339(made.issuer.not_after));
  }
  return registry::append_audit_event(tx, event);
}

Result<Bytes> request_of(const AuthorityContext& context, db::Transaction& tx, const registry::Issuer& issuer,
                         const std::string& permitted_uri_host) {
  if (issuer.certificate.empty()) return issuer.request;
  MUSTER_TRY(const auto loaded, context.issuers->load(tx, issuer));
  MUSTER_TRY(const auto certificate, x509::Certificate::parse_der(issuer.certificate));
  return sign_request(context, issuer,
                      {loaded->identity.name, Bytes(certificate.spki().begin(), certificate.spki().end()),
                       path_length_wanted(issuer.kind), permitted_uri_host});
}

}  // namespace muster::enroll
