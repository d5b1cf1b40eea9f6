// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/id.h"
#include "core/result.h"
#include "core/time.h"
#include "db/transaction.h"
#include "x509/certificate.h"
#include "x509/chain_finding.h"

namespace muster::enroll {

struct ExternalVerdict {
  std::vector<x509::ChainFinding> findings;  // empty: a broker lets the device in
  std::optional<std::string> device;
};

// judge_by_trust_anchors says of a chain what a broker would say by the tenant's trust anchors, by the same code
// (x509/external_chain.h). nullopt: no anchor's key verifies it. Findings besides those of the chain:
// trust_anchor.suspended, device.not_registered, validation.device_inactive. Scope: the tenant's.
Result<std::optional<ExternalVerdict>> judge_by_trust_anchors(db::Transaction& tx, const TenantId& tenant,
                                                              const x509::Certificate& leaf,
                                                              std::span<const x509::Certificate> presented, UtcTime at);

}  // namespace muster::enroll
