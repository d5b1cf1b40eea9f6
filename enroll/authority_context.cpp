// SPDX-License-Identifier: Apache-2.0
#include "enroll/authority_context.h"

#include "enroll/reasons.h"

namespace muster::enroll {

Result<void> AuthorityContext::require_initialised() const {
  if (initialised.load(std::memory_order_acquire)) return {};
  return Error{ErrorCode::kUnavailable, reasons::kNotInitialised, {}};
}

registry::AuditEvent audit_event(const AuthorityContext& context, const Caller& caller, const TenantId& tenant,
                                 std::string action) {
  registry::AuditEvent event;
  event.tenant_id = tenant;
  event.at = context.clock.now_micros();
  event.actor = caller.audit_name();
  event.action = std::move(action);
  if (!caller.request_id.empty()) event.detail.emplace_back(registry::AuditField::kRequestId, caller.request_id);
  if (!caller.source_address.empty()) {
    event.detail.emplace_back(registry::AuditField::kSourceAddress, caller.source_address);
  }
  return event;
}

}  // namespace muster::enroll
