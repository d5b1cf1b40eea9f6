// SPDX-License-Identifier: Apache-2.0
#include "api/authorisation.h"

namespace muster::api {
namespace {

bool tenant_admin_may(Action action) {
  switch (action) {
    case Action::kTenantRead:
    case Action::kTenantSetPolicy:
    case Action::kDeviceCreate:
    case Action::kDeviceRead:
    case Action::kDeviceUpdate:
    case Action::kDeviceDelete:
    case Action::kCommandSend:
    case Action::kCommandRead:
    case Action::kCertificateIssue:
    case Action::kCertificateRead:
    case Action::kCertificateRevoke:
    case Action::kCertificateBulkRevoke:
    case Action::kCertificateValidate:
    case Action::kBatchRun:
    case Action::kBatchRead:
    case Action::kPolicyRead:
    case Action::kPolicyWrite:
    case Action::kProfileRead:
    case Action::kProfileWrite:
    case Action::kTokenRead:
    case Action::kTokenWrite:
    case Action::kClaimRead:
    case Action::kClaimWrite:
    case Action::kEstRead:
    case Action::kEstWrite:
    case Action::kTrustAnchorRead:
    case Action::kTrustAnchorWrite:
    case Action::kIssuerRead:
    case Action::kIssuerWrite:
    case Action::kRenewalRead:
    case Action::kIncidentRead:
    case Action::kIncidentWrite:
    case Action::kStreamRead:
    case Action::kBrokerAsk:
    case Action::kAuditRead: return true;
    default: return false;
  }
}

bool factory_may(Action action) {
  switch (action) {
    case Action::kDeviceCreate:
    case Action::kDeviceRead:
    case Action::kCertificateIssue:
    case Action::kBatchRun:
    case Action::kBatchRead:
    case Action::kProfileRead:
    case Action::kRenewalRead:
    case Action::kIssuerRead: return true;
    default: return false;
  }
}

bool auditor_may(Action action) {
  switch (action) {
    case Action::kTenantList:
    case Action::kTenantRead:
    case Action::kDeviceRead:
    case Action::kCommandRead:
    case Action::kCertificateRead:
    case Action::kCertificateValidate:
    case Action::kPolicyRead:
    case Action::kProfileRead:
    case Action::kTokenRead:
    case Action::kClaimRead:
    case Action::kEstRead:
    case Action::kTrustAnchorRead:
    case Action::kIssuerRead:
    case Action::kRenewalRead:
    case Action::kIncidentRead:
    case Action::kAuditRead:
    case Action::kEdgeRead:
    case Action::kMetricsRead: return true;
    default: return false;
  }
}

bool application_may(Action action) {
  switch (action) {
    case Action::kStreamRead:
    case Action::kDeviceRead:
    case Action::kCommandSend:
    case Action::kCommandRead: return true;
    default: return false;
  }
}

// Its own device only: the handlers compare the name (Call::require_own_device).
bool device_may(Action action) {
  switch (action) {
    case Action::kDeviceRead:
    case Action::kRenewalRead:
    case Action::kCertificateIssue:
    case Action::kCertificateRevoke: return true;
    default: return false;
  }
}

}  // namespace

bool role_allows(enroll::CallerRole role, Action action) {
  switch (role) {
    case enroll::CallerRole::kPlatformAdmin: return true;
    case enroll::CallerRole::kTenantAdmin: return tenant_admin_may(action);
    case enroll::CallerRole::kFactory: return factory_may(action);
    case enroll::CallerRole::kAuditor: return auditor_may(action);
    case enroll::CallerRole::kBroker: return action == Action::kBrokerAsk;
    case enroll::CallerRole::kApplication: return application_may(action);
    case enroll::CallerRole::kDevice: return device_may(action);
    case enroll::CallerRole::kClaim: return action == Action::kCertificateIssue;
    case enroll::CallerRole::kEdge: return false;   // edges have their own listener
    case enroll::CallerRole::kLocal: return false;  // never comes over HTTP
  }
  return false;
}

Decision authorise(const enroll::Caller& caller, Action action, const std::optional<TenantId>& tenant) {
  const bool platform_role = caller.role == enroll::CallerRole::kPlatformAdmin ||
                             caller.role == enroll::CallerRole::kAuditor || caller.role == enroll::CallerRole::kBroker;
  // Only these three roles may be without a tenant; anything else without one is a fault of ours and denied.
  if (!caller.tenant && !platform_role) return Decision::kForbid;
  if (caller.tenant) {
    if (tenant && *tenant != *caller.tenant) return Decision::kHide;
    // A tenant's own caller sees the platform only where the handler narrows the answer to its tenant.
    if (!tenant && action != Action::kAuditRead) return Decision::kForbid;
    if (caller.role == enroll::CallerRole::kPlatformAdmin) return Decision::kForbid;
  }
  return role_allows(caller.role, action) ? Decision::kAllow : Decision::kForbid;
}

}  // namespace muster::api
