// SPDX-License-Identifier: Apache-2.0
#include "enroll/bulk_revocation.h"

#include <algorithm>

#include "core/encoding.h"
#include "enroll/authorisation.h"
#include "enroll/authority_context.h"
#include "enroll/reasons.h"
#include "registry/device_store.h"
#include "registry/reasons.h"

namespace muster::enroll {

namespace {

constexpr std::size_t kMaxSerialOctets = 20;
constexpr std::size_t kMaxGroup = 128;
constexpr std::size_t kJobsAtOnce = 16;

Error invalid(std::string detail) {
  return Error{ErrorCode::kInvalidArgument, reasons::kSelectionInvalid, std::move(detail)};
}

Result<std::vector<Bytes>> decode_serials(const std::vector<std::string>& texts) {
  if (texts.size() > registry::kMaxBulkSerials) return invalid("serials: too many");
  std::vector<Bytes> serials;
  serials.reserve(texts.size());
  for (const std::string& text : texts) {
    const bool plain = text.find_first_not_of("0123456789abcdef") == std::string::npos;
    auto serial = plain ? from_hex(text) : Result<Bytes>{invalid("")};
    if (!serial.ok() || serial->empty() || serial->size() > kMaxSerialOctets) {
      return invalid("serials: \"" + text.substr(0, 64) + "\" is not a serial in lower-case hexadecimal");
    }
    serials.push_back(std::move(*serial));
  }
  std::ranges::sort(serials);
  serials.erase(std::unique(serials.begin(), serials.end()), serials.end());
  return serials;
}

Result<registry::RevocationReason> decode_reason(const std::string& text) {
  const auto reason = registry::parse_revocation_reason(text);
  if (!reason) return Error{ErrorCode::kInvalidArgument, registry::kRevocationReasonInvalid, {}};
  return *reason;
}

registry::AuditEvent revoke_event(const AuthorityContext& context, const TenantId& tenant,
                                  const registry::BulkRevocation& work,
                                  const registry::SelectedCertificate& certificate) {
  registry::AuditEvent event;
  event.tenant_id = tenant;
  event.at = context.clock.now_micros();
  event.actor = work.actor;
  event.action = "certificate.revoke";
  event.target = "device:" + certificate.device_id.text();
  event.target_name = certificate.device_name;
  event.detail.emplace_back(registry::AuditField::kCertificateId, to_hex(certificate.id));
  event.detail.emplace_back(registry::AuditField::kSerial, to_hex(certificate.serial));
  event.detail.emplace_back(registry::AuditField::kRevocationReason, registry::to_string(work.reason));
  event.detail.emplace_back(registry::AuditField::kBatch, to_uuid_text(work.id));
  return event;
}

}  // namespace

Result<registry::BulkSelection> BulkRevocations::to_selection(db::Transaction& tx, const BulkRequest& request) const {
  registry::BulkSelection selection;
  selection.issuer_id = request.issuer;
  selection.expires_before = request.expires_before;
  selection.not_before_after = request.not_before_after;
  selection.not_before_before = request.not_before_before;
  if (request.group) {
    if (request.group->empty() || request.group->size() > kMaxGroup) return invalid("group");
    selection.group = *request.group;
  }
  if (request.device) {
    MUSTER_TRY(const DeviceName name, DeviceName::parse(*request.device));
    MUSTER_TRY(const auto device, registry::get_device(tx, request.tenant, name));
    selection.device_id = device.id;
  }
  if (!request.serials.empty() && !selection.is_empty()) return invalid("serials or a query, not both");
  MUSTER_TRY(selection.serials, decode_serials(request.serials));
  if (selection.is_empty()) return invalid("name serials, or at least one criterion");
  return selection;
}

Result<registry::SelectionPreview> BulkRevocations::preview(const Caller& caller, const BulkRequest& request) {
  MUSTER_TRY_VOID(require_tenant_admin(caller, request.tenant));
  MUSTER_TRY(const auto reason, decode_reason(request.reason));
  (void)reason;
  using Preview = Result<registry::SelectionPreview>;
  return db::run_in_transaction(
      context_.pool, db::Scope::of_tenant(request.tenant), [&](db::Transaction& tx) -> Preview {
        MUSTER_TRY(const auto selection, to_selection(tx, request));
        return registry::preview_selection(tx, request.tenant, selection, context_.clock.now(), kPreviewed);
      });
}

Result<registry::BulkRevocation> BulkRevocations::start(const Caller& caller, const BulkRequest& request) {
  MUSTER_TRY_VOID(require_tenant_admin(caller, request.tenant));
  MUSTER_TRY(const auto reason, decode_reason(request.reason));
  using Recorded = Result<registry::BulkRevocation>;
  MUSTER_TRY(
      const auto recorded,
      db::run_in_transaction(context_.pool, db::Scope::of_tenant(request.tenant), [&](db::Transaction& tx) -> Recorded {
        MUSTER_TRY(const auto selection, to_selection(tx, request));
        MUSTER_TRY(auto made,
                   registry::create_bulk_revocation(tx, request.tenant, selection, reason, caller.audit_name()));
        registry::AuditEvent event = audit_event(context_, caller, request.tenant, "revocation.start");
        event.target = "revocation:" + to_uuid_text(made.id);
        event.detail.emplace_back(registry::AuditField::kRevocationReason, request.reason);
        MUSTER_TRY_VOID(registry::append_audit_event(tx, event));
        return made;
      }));
  const auto deadline = std::chrono::steady_clock::now() + kInline;
  bool more = true;
  while (more && std::chrono::steady_clock::now() < deadline) {
    const auto worked = work(request.tenant, recorded.id);
    // It is recorded, so this is no failure of the request: housekeeping tries again.
    if (!worked.ok()) context_.log.warning("bulk revocation waits", {{"error", to_log_text(worked.error())}});
    more = worked.ok() && *worked;
  }
  return get(caller, request.tenant, recorded.id);
}

Result<registry::BulkRevocation> BulkRevocations::get(const Caller& caller, const TenantId& tenant, const RawId& id) {
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  return db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant),
                                [&](db::Transaction& tx) { return registry::get_bulk_revocation(tx, tenant, id); });
}

Result<bool> BulkRevocations::work(const TenantId& tenant, const RawId& id) {
  std::size_t revoked = 0;
  auto more =
      db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<bool> {
        MUSTER_TRY(auto taken, registry::take_bulk_revocation(tx, tenant, id));
        if (!taken) return false;
        MUSTER_TRY(const auto part, registry::revoke_next_part(tx, tenant, *taken, context_.clock.now(), kPart));
        revoked = part.size();
        std::vector<registry::AuditEvent> events;
        events.reserve(part.size());
        for (const auto& certificate : part) events.push_back(revoke_event(context_, tenant, *taken, certificate));
        if (!events.empty()) MUSTER_TRY_VOID(registry::append_audit_events(tx, events));
        return !taken->done;
      });
  authority_.note_revocation();
  if (more.ok()) {
    context_.metrics.counter("muster_certificates_revoked_total", "Certificates revoked by request").add(revoked);
  }
  return more;
}

Result<void> BulkRevocations::go_on(std::chrono::milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  MUSTER_TRY(const auto running, db::run_in_transaction(context_.pool, db::Scope::system(), [](db::Transaction& tx) {
               return registry::list_running_bulk_revocations(tx, kJobsAtOnce);
             }));
  // A part of each in turn: one tenant's million does not hold up another's ten.
  bool more = true;
  while (more && std::chrono::steady_clock::now() < deadline) {
    more = false;
    for (const auto& [tenant, id] : running) {
      MUSTER_TRY(const bool unfinished, work(tenant, id));
      more = more || unfinished;
    }
  }
  return {};
}

}  // namespace muster::enroll
