// SPDX-License-Identifier: Apache-2.0
#include "enroll/ocsp_delegates.h"

#include "ca/certificate_linter.h"
#include "ca/tbs_certificate.h"
#include "core/encoding.h"
#include "registry/issuer_store.h"
#include "registry/ocsp_store.h"
#include "x509/certificate.h"

namespace muster::enroll {

namespace {

bool is_fresh(const OcspDelegate& delegate, UtcTime now) {
  return now >= delegate.not_before && now < delegate.not_before + (delegate.not_after - delegate.not_before) / 2;
}

registry::OcspResponderRow to_row(const x509::Certificate& certificate, const IssuerId& issuer, const Bytes& serial) {
  registry::OcspResponderRow row;
  row.id = certificate.id();
  row.issuer_id = issuer;
  row.serial = serial;
  row.not_before = certificate.not_before();
  row.not_after = certificate.not_after();
  row.certificate.assign(certificate.der().begin(), certificate.der().end());
  return row;
}

Result<x509::Certificate> sign(const AuthorityContext& context, const LoadedIssuer& issuer,
                               const ca::CertificateOrder& order) {
  MUSTER_TRY(const Bytes tbs, ca::build_tbs_certificate(order));
  const auto findings = ca::lint_certificate(tbs, order);
  if (!findings.empty()) return Error{ErrorCode::kInternal, findings.front().reason, findings.front().detail};
  MUSTER_TRY(const Bytes signature, context.signer->sign_certificate({issuer.tenant, issuer.identity.id, tbs}));
  MUSTER_TRY(const Bytes der, ca::assemble_signed(tbs, signature));
  MUSTER_TRY_VOID(ca::check_signed(der, tbs));
  return x509::Certificate::parse_der(der);
}

}  // namespace

Result<std::shared_ptr<const OcspDelegate>> OcspDelegates::find(const IssuerId& issuer) {
  const auto present = [&]() -> std::shared_ptr<const OcspDelegate> {
    const std::lock_guard lock{mutex_};
    const auto found = delegates_.find(issuer);
    const bool fresh = found != delegates_.end() && is_fresh(*found->second, context_.clock.now());
    return fresh ? found->second : nullptr;
  };
  if (auto delegate = present()) return delegate;
  const std::lock_guard making{making_};
  if (auto delegate = present()) return delegate;  // made while we waited
  MUSTER_TRY(auto made, make(issuer));
  const std::lock_guard lock{mutex_};
  return delegates_.insert_or_assign(issuer, std::move(made)).first->second;
}

Result<std::shared_ptr<const OcspDelegate>> OcspDelegates::make(const IssuerId& issuer) const {
  MUSTER_TRY(ca::ResponderKey key, ca::ResponderKey::generate());
  using Certificate = Result<x509::Certificate>;
  MUSTER_TRY(const x509::Certificate certificate,
             db::run_in_transaction(context_.pool, db::Scope::system(), [&](db::Transaction& tx) -> Certificate {
               MUSTER_TRY(const registry::Issuer row, registry::get_issuer(tx, issuer));
               MUSTER_TRY(const auto loaded, context_.issuers->load(tx, row));
               ca::CertificateSubject subject;
               subject.common_name = "Muster OCSP " + issuer.text();
               subject.spki = key.spki();
               const ca::Profile profile = ca::Profile::standard(ca::CertificateKind::kOcspResponder);
               const Bytes serial = ca::random_serial();
               MUSTER_TRY(const x509::Certificate made,
                          sign(context_, *loaded, {profile, loaded->identity, subject, serial, context_.clock.now()}));
               MUSTER_TRY_VOID(registry::store_ocsp_responder(tx, to_row(made, issuer, serial)));
               Caller self;
               self.role = CallerRole::kLocal;
               registry::AuditEvent event = audit_event(context_, self, TenantId{}, "ocsp_responder.issue");
               event.target = "issuer:" + issuer.text();
               event.detail.emplace_back(registry::AuditField::kCertificateId, made.id_hex());
               event.detail.emplace_back(registry::AuditField::kSerial, made.serial_hex());
               event.detail.emplace_back(registry::AuditField::kNotAfter, to_rfc3339(made.not_after()));
               MUSTER_TRY_VOID(registry::append_audit_event(tx, event));
               return made;
             }));
  context_.metrics.counter("muster_ocsp_delegates_total", "Certificates of OCSP responders issued").add();
  return std::make_shared<const OcspDelegate>(OcspDelegate{std::move(key),
                                                           Bytes(certificate.der().begin(), certificate.der().end()),
                                                           certificate.not_before(), certificate.not_after()});
}

}  // namespace muster::enroll
