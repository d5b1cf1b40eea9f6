// SPDX-License-Identifier: Apache-2.0
#include "enroll/registration_authority.h"

#include <algorithm>
#include <mutex>

#include "ca/key_store_config.h"
#include "ca/profile.h"
#include "core/encoding.h"
#include "db/transaction.h"
#include "enroll/authorisation.h"
#include "enroll/authority_context.h"
#include "enroll/batch_enrolment.h"
#include "enroll/ca_creation.h"
#include "enroll/crl_publisher.h"
#include "enroll/device_enrolment.h"
#include "enroll/enrolment_queue.h"
#include "enroll/infrastructure.h"
#include "enroll/offline_root.h"
#include "enroll/reasons.h"
#include "enroll/validation.h"
#include "registry/certificate_store.h"
#include "registry/crl_store.h"
#include "registry/deployment_store.h"
#include "registry/issuer_store.h"
#include "registry/reasons.h"
#include "x509/pem.h"

namespace muster::enroll {

namespace {

constexpr std::size_t kMaxGroupSize = 1000;
constexpr std::uint32_t kMaxCrlShards = 4096;
constexpr std::size_t kMaxOpenIntents = 1000;

Result<ca::Profile> device_profile(const RegistrationAuthorityConfig& config) {
  ca::ProfileConfig profile;
  profile.validity_seconds = config.device_validity_seconds;
  profile.backdate_seconds = config.backdate_seconds;
  return ca::Profile::create(std::move(profile));
}

Result<void> check_config(const RegistrationAuthorityConfig& config) {
  const auto invalid = [](std::string key) {
    return Error{ErrorCode::kInvalidArgument, reasons::kConfigInvalid, std::move(key)};
  };
  if (!config.plain_url.starts_with("http://") || config.plain_url.ends_with("/")) return invalid("plain_url");
  if (config.crl_validity_seconds < 3600 || config.crl_validity_seconds > 365 * 86400) {
    return invalid("crl_validity_seconds");
  }
  if (config.ocsp_validity_seconds < 300 || config.ocsp_validity_seconds > 43200) {
    return invalid("ocsp_validity_seconds");
  }
  if (config.crl_shards == 0 || config.crl_shards > kMaxCrlShards) return invalid("crl_shards");
  if (config.batch_group_size == 0 || config.batch_group_size > kMaxGroupSize) return invalid("batch_group_size");
  return {};
}

void add_revocation_detail(registry::AuditEvent& event, const registry::CertificateRow& row) {
  event.target = "device:" + row.device_id.text();
  event.target_name = row.device_name;
  event.detail.emplace_back(registry::AuditField::kCertificateId, to_hex(row.id));
  event.detail.emplace_back(registry::AuditField::kSerial, to_hex(row.serial));
}

}  // namespace

struct RegistrationAuthority::Impl {
  Impl(RegistrationAuthorityConfig config, TrustDomain trust_domain, ca::Profile profile, ca::KeyStoreConfig k,
       db::ConnectionPool& pool, const Clock& clock, MetricsRegistry& metrics)
      : context{std::move(config), std::move(trust_domain), std::move(profile), pool, clock, metrics},
        keys(std::move(k)),
        queue(context),
        crls(context) {}

  Result<RevokedCertificate> revoke(db::Transaction& tx, const Caller& caller, const RevocationRequest& request);

  AuthorityContext context;
  std::mutex initialisation;
  std::optional<ca::KeyStoreConfig> keys;  // until the signer has it; guarded by initialisation
  EnrolmentQueue queue;
  CrlPublisher crls;
};

RegistrationAuthority::RegistrationAuthority(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RegistrationAuthority::~RegistrationAuthority() = default;

AuthorityContext& RegistrationAuthority::context() { return impl_->context; }

Result<std::unique_ptr<RegistrationAuthority>> RegistrationAuthority::create(RegistrationAuthorityConfig config,
                                                                             ca::KeyStoreConfig keys,
                                                                             db::ConnectionPool& pool,
                                                                             const Clock& clock,
                                                                             MetricsRegistry& metrics) {
  MUSTER_TRY_VOID(check_config(config));
  MUSTER_TRY(TrustDomain trust_domain, TrustDomain::parse(config.trust_domain));
  MUSTER_TRY(ca::Profile profile, device_profile(config));
  auto impl = std::make_unique<Impl>(std::move(config), std::move(trust_domain), std::move(profile), std::move(keys),
                                     pool, clock, metrics);
  if (const std::string& file = impl->context.config.blocked_keys_file; !file.empty()) {
    MUSTER_TRY(impl->context.blocked_keys, x509::BlockedKeys::load(file));
  }
  return std::unique_ptr<RegistrationAuthority>(new RegistrationAuthority(std::move(impl)));
}

Result<void> RegistrationAuthority::initialise_deployment(DeviceRoot device_root) {
  AuthorityContext& context = impl_->context;
  const std::lock_guard lock{impl_->initialisation};
  if (context.initialised) return {};
  MUSTER_TRY(const registry::Deployment deployment,
             db::run_in_transaction(context.pool, db::Scope::system(), [&](db::Transaction& tx) {
               return registry::ensure_deployment(tx, context.trust_domain);
             }));
  if (!context.signer) {
    context.signer = std::make_unique<ca::Signer>(std::move(*impl_->keys), to_uuid_text(deployment.id));
    impl_->keys.reset();
    context.issuers = std::make_unique<IssuerCache>(*context.signer, context.config.plain_url);
  }
  if (device_root == DeviceRoot::kOffline) MUSTER_TRY_VOID(ensure_requested_intermediate(context));
  MUSTER_TRY_VOID(ensure_platform_issuers(context));
  MUSTER_TRY(context.transparency, TransparencyLog::open(context.pool, context.signer->key_ring(),
                                                         to_uuid_text(deployment.id), context.config.trust_domain));
  context.initialised.store(true, std::memory_order_release);
  return {};
}

Result<std::string> RegistrationAuthority::device_root_pem() const {
  AuthorityContext& context = impl_->context;
  return db::run_in_transaction(context.pool, db::Scope::system(), [&](db::Transaction& tx) -> Result<std::string> {
    MUSTER_TRY(const registry::Issuer issuer, active_intermediate(context, tx));
    MUSTER_TRY(const auto loaded, context.issuers->load(tx, issuer));
    return loaded->root_pem;
  });
}

const std::string& RegistrationAuthority::infrastructure_root_pem() const {
  return impl_->context.infrastructure_root->certificate_pem;
}

Result<void> RegistrationAuthority::make_tenant_issuer(db::Transaction& tx, const Caller& caller,
                                                       const TenantId& tenant) {
  MUSTER_TRY_VOID(impl_->context.require_initialised());
  MUSTER_TRY_VOID(require_platform(caller));
  MUSTER_TRY(const registry::Tenant row, registry::get_tenant_by_id(tx, tenant));
  return make_issuing_ca(impl_->context, tx, caller, row);
}

Result<TenantIssuer> RegistrationAuthority::ensure_tenant_issuer(const Caller& caller, TenantId tenant) {
  MUSTER_TRY_VOID(impl_->context.require_initialised());
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  MUSTER_TRY(const auto issuer, ensure_issuing_ca(impl_->context, caller, tenant));
  return TenantIssuer{issuer->identity.id, issuer->certificate_pem, issuer->chain_pem};
}

Result<std::string> RegistrationAuthority::ca_certificates_pem(TenantId tenant) {
  AuthorityContext& context = impl_->context;
  MUSTER_TRY_VOID(context.require_initialised());
  return db::run_in_transaction(
      context.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<std::string> {
        MUSTER_TRY(const auto row, registry::get_active_issuer(tx, tenant, registry::IssuerKind::kTenantIssuing));
        MUSTER_TRY(const auto issuer, context.issuers->load(tx, row));
        std::string pem = issuer->chain_pem + issuer->root_pem;
        MUSTER_TRY(const auto crosses, registry::list_cross_certificates(tx, tenant, row.id));
        for (const registry::CrossCertificate& cross : crosses) {
          if (cross.not_after >= context.clock.now()) pem += x509::write_pem("CERTIFICATE", cross.certificate);
        }
        return pem;
      });
}

Result<IssuedCertificate> RegistrationAuthority::enroll(const Caller& caller, const EnrollRequest& request) {
  MUSTER_TRY_VOID(impl_->context.require_initialised());
  MUSTER_TRY(PreparedRequest prepared, prepare(impl_->context, caller, request));
  return impl_->queue.submit(std::move(prepared));
}

std::vector<Result<IssuedCertificate>> RegistrationAuthority::enroll_batch(const Caller& caller,
                                                                           std::span<const EnrollRequest> requests) {
  return BatchEnrolment{*this}.run(caller, requests);
}

Result<RevokedCertificate> RegistrationAuthority::Impl::revoke(db::Transaction& tx, const Caller& caller,
                                                               const RevocationRequest& request) {
  const UtcTime now = context.clock.now();
  const auto reason = registry::parse_revocation_reason(request.reason);
  if (!reason) return Error{ErrorCode::kInvalidArgument, registry::kRevocationReasonInvalid, {}};
  auto row = registry::get_certificate_by_reference(tx, request.tenant, request.certificate, now);
  const bool own =
      row.ok() && caller.tenant == request.tenant && require_own_certificate(tx, caller, row->device_id, now).ok();
  if (!own) MUSTER_TRY_VOID(require_tenant_admin(caller, request.tenant));
  if (!row.ok()) return std::move(row).error();
  MUSTER_TRY(const auto outcome, registry::revoke_certificate(tx, request.tenant, row->id, {*reason, now}));
  const registry::CertificateRow& revoked = outcome.certificate;
  if (outcome.changed) {
    registry::AuditEvent event = audit_event(context, caller, request.tenant, "certificate.revoke");
    add_revocation_detail(event, revoked);
    event.detail.emplace_back(registry::AuditField::kRevocationReason, request.reason);
    MUSTER_TRY_VOID(registry::append_audit_event(tx, event));
  }
  RevokedCertificate answer;
  answer.id = revoked.id;
  answer.serial_hex = to_hex(revoked.serial);
  answer.revoked_at = revoked.revoked_at.value_or(now);
  answer.reason = registry::to_string(revoked.revocation_reason.value_or(*reason));
  answer.already_revoked = !outcome.changed;
  return answer;
}

Result<RevokedCertificate> RegistrationAuthority::revoke(const Caller& caller, const RevocationRequest& request) {
  auto revoked = db::run_in_transaction(impl_->context.pool, db::Scope::of_tenant(request.tenant),
                                        [&](db::Transaction& tx) { return impl_->revoke(tx, caller, request); });
  note_revocation();  // also after an error: a COMMIT whose answer was lost may have happened
  if (revoked.ok()) {
    impl_->context.metrics.counter("muster_certificates_revoked_total", "Certificates revoked by request").add();
  }
  return revoked;
}

void RegistrationAuthority::note_revocation() { impl_->context.revocations.fetch_add(1, std::memory_order_acq_rel); }

Result<std::shared_ptr<const PublishedCrl>> RegistrationAuthority::crl(IssuerId issuer, std::uint32_t shard) {
  return impl_->crls.crl(issuer, shard);
}

Result<IssuedCertificate> RegistrationAuthority::issue_infrastructure(const Caller& caller,
                                                                      const InfrastructureRequest& request) {
  return db::run_in_transaction(impl_->context.pool, db::Scope::system(), [&](db::Transaction& tx) {
    return enroll::issue_infrastructure(impl_->context, tx, caller, request);
  });
}

Result<IssuedCertificate> RegistrationAuthority::issue_infrastructure(db::Transaction& tx, const Caller& caller,
                                                                      const InfrastructureRequest& request) {
  return enroll::issue_infrastructure(impl_->context, tx, caller, request);
}

Result<ValidationAnswer> RegistrationAuthority::validate(const Caller& caller, const ValidationRequest& request) {
  return validate_certificate(impl_->context, caller, request);
}

Result<std::vector<OpenIntent>> RegistrationAuthority::list_open_intents(const Caller& caller,
                                                                         std::chrono::seconds age) {
  MUSTER_TRY_VOID(require_platform(caller));
  const UtcTime before = impl_->context.clock.now() - age;
  MUSTER_TRY(const auto orphans,
             db::run_in_transaction(impl_->context.pool, db::Scope::system(), [&](db::Transaction& tx) {
               return registry::list_orphan_intents(tx, before, kMaxOpenIntents);
             }));
  std::vector<OpenIntent> intents;
  for (const registry::OrphanIntent& orphan : orphans) {
    intents.push_back({orphan.issuer_id, to_hex(orphan.serial), orphan.tenant_id, orphan.device_id, orphan.created_at});
  }
  return intents;
}

Result<void> RegistrationAuthority::revoke_intent(const Caller& caller, IssuerId issuer,
                                                  const std::string& serial_hex) {
  AuthorityContext& context = impl_->context;
  MUSTER_TRY_VOID(require_platform(caller));
  MUSTER_TRY(const Bytes serial, from_hex(serial_hex));
  auto revoked = db::run_in_transaction(context.pool, db::Scope::system(), [&](db::Transaction& tx) -> Result<void> {
    const registry::Revocation revocation{registry::RevocationReason::kCessationOfOperation, context.clock.now()};
    MUSTER_TRY_VOID(registry::revoke_intent(tx, issuer, serial, revocation));
    registry::AuditEvent event = audit_event(context, caller, TenantId{}, "intent.revoke");
    event.target = "issuer:" + issuer.text();
    event.detail.emplace_back(registry::AuditField::kSerial, serial_hex);
    return registry::append_audit_event(tx, event);
  });
  note_revocation();
  return revoked;
}

}  // namespace muster::enroll
