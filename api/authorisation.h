// SPDX-License-Identifier: Apache-2.0
//
// Purpose: who may do what over REST: one table, default deny. enroll/ checks again for what it signs.
#pragma once

#include <optional>

#include "core/id.h"
#include "enroll/caller.h"

namespace muster::api {

enum class Action {
  kTenantCreate,
  kTenantList,
  kTenantRead,
  kTenantSetStatus,
  kTenantSetPolicy,
  kTenantDelete,
  kDeviceCreate,
  kDeviceRead,
  kDeviceUpdate,
  kDeviceDelete,
  kCommandSend,
  kCommandRead,
  kCertificateIssue,
  kCertificateRead,
  kCertificateRevoke,
  kCertificateBulkRevoke,
  kCertificateValidate,
  kBatchRun,
  kBatchRead,
  kPolicyRead,
  kPolicyWrite,
  kProfileRead,
  kProfileWrite,
  kTokenRead,
  kTokenWrite,
  kClaimRead,
  kClaimWrite,
  kEstRead,
  kEstWrite,
  kIssuerRead,
  kIssuerWrite,
  kRenewalRead,
  kIncidentRead,
  kIncidentWrite,
  kTrustAnchorRead,
  kTrustAnchorWrite,
  kStreamRead,
  kAuditRead,
  kEdgeRead,
  kEdgeWrite,
  kKeysManage,  // of CAs: platform-admin alone
  kMetricsRead,
  kBrokerAsk,  // may this client of another broker
};

enum class Decision {
  kAllow,
  kForbid,  // 403: in sight, but not in this role
  kHide,    // 404: of another tenant, so whether it exists is not told
};

// authorise decides about `action` on something of `tenant` (empty: of the platform).
Decision authorise(const enroll::Caller& caller, Action action, const std::optional<TenantId>& tenant);

// role_allows is the table alone.
bool role_allows(enroll::CallerRole role, Action action);

}  // namespace muster::api
