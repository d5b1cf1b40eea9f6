// SPDX-License-Identifier: Apache-2.0
#include "enroll/incident_desk.h"

#include "core/encoding.h"
#include "db/transaction.h"
#include "enroll/authorisation.h"
#include "enroll/authority_context.h"
#include "enroll/reasons.h"
#include "enroll/registration_authority.h"
#include "registry/audit_store.h"
#include "registry/certificate_store.h"
#include "registry/issuer_store.h"

namespace muster::enroll {

namespace {

Result<std::vector<Sha256>> resolve(db::Transaction& tx, const TenantId& tenant,
                                    const std::vector<std::string>& references, UtcTime now) {
  std::vector<Sha256> ids;
  for (const std::string& reference : references) {
    auto row = registry::get_certificate_by_reference(tx, tenant, reference, now);
    if (!row.ok()) {
      Error error = std::move(row).error();
      if (error.code == ErrorCode::kNotFound || error.code == ErrorCode::kConflict)
        error.detail = reference.substr(0, 64);
      return error;
    }
    ids.push_back(row->id);
  }
  return ids;
}

registry::AuditEvent incident_event(const AuthorityContext& context, const Caller& caller, const TenantId& tenant,
                                    std::string action, const RawId& id) {
  registry::AuditEvent event = audit_event(context, caller, tenant, std::move(action));
  event.target = "incident:" + to_uuid_text(id);
  return event;
}

registry::AuditEvent open_event(const AuthorityContext& context, const Caller& caller, const TenantId& tenant,
                                const registry::Incident& incident) {
  registry::AuditEvent event = incident_event(context, caller, tenant, "incident.open", incident.id);
  event.detail.emplace_back(registry::AuditField::kName, registry::to_string(incident.kind));
  if (!incident.issuer_id.is_nil())
    event.detail.emplace_back(registry::AuditField::kIssuerId, incident.issuer_id.text());
  if (incident.spki_sha256) event.detail.emplace_back(registry::AuditField::kOldKey, to_hex(*incident.spki_sha256));
  if (incident.certificate_count > 0) {
    event.detail.emplace_back(registry::AuditField::kCount, std::to_string(incident.certificate_count));
  }
  if (!incident.reason.empty()) event.detail.emplace_back(registry::AuditField::kDetail, incident.reason);
  return event;
}

}  // namespace

Result<registry::Incident> IncidentDesk::open(const Caller& caller, const TenantId& tenant,
                                              const NewIncident& wanted) const {
  AuthorityContext& context = authority_.context();
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  registry::Incident incident;
  incident.reason = wanted.reason;
  incident.created_by = caller.audit_name();
  incident.created_at = context.clock.now();
  using Opened = Result<registry::Incident>;
  return db::run_in_transaction(context.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Opened {
    MUSTER_TRY(const std::size_t count, registry::count_incidents(tx, tenant));
    if (count >= kMaxIncidents) {
      return Error{ErrorCode::kFailedPrecondition, reasons::kIncidentTooMany, "close some"};
    }
    MUSTER_TRY(const auto ids, resolve(tx, tenant, wanted.certificates, context.clock.now()));
    if (wanted.issuer) {
      MUSTER_TRY(const auto issuer, registry::get_issuer_of(tx, tenant, *wanted.issuer));
      incident.kind = registry::IncidentKind::kIssuer;
      incident.issuer_id = issuer.id;
    } else if (wanted.key) {
      incident.kind = registry::IncidentKind::kKey;
      incident.spki_sha256 = wanted.key;
    }
    incident.certificate_count = ids.size();
    MUSTER_TRY(incident.id, registry::insert_incident(tx, tenant, incident, ids));
    MUSTER_TRY_VOID(registry::append_audit_event(tx, open_event(context, caller, tenant, incident)));
    return incident;
  });
}

Result<void> IncidentDesk::close(const Caller& caller, const TenantId& tenant, const RawId& id) const {
  AuthorityContext& context = authority_.context();
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  return db::run_in_transaction(context.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY_VOID(registry::delete_incident(tx, tenant, id));
    return registry::append_audit_event(tx, incident_event(context, caller, tenant, "incident.close", id));
  });
}

Result<void> IncidentDesk::set_superseding(const Caller& caller, const TenantId& tenant,
                                           registry::Superseding superseding) const {
  AuthorityContext& context = authority_.context();
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  return db::run_in_transaction(context.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY_VOID(registry::set_superseding(tx, tenant, superseding));
    registry::AuditEvent event = audit_event(context, caller, tenant, "tenant.set_superseding");
    event.target = "tenant:" + tenant.text();
    event.detail.emplace_back(registry::AuditField::kStatus, registry::to_string(superseding));
    return registry::append_audit_event(tx, event);
  });
}

}  // namespace muster::enroll
