// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what claims allow. The reasons given here are for the audit; whoever holds a claim is told claim.refused
// whatever was wrong (for_claimant), so that a stolen claim teaches nothing about devices, networks or other claims.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/id.h"
#include "core/identity.h"
#include "core/result.h"
#include "core/time.h"
#include "db/transaction.h"
#include "enroll/caller.h"
#include "registry/claim_store.h"
#include "registry/device_store.h"

namespace muster::enroll {

// claim_objection says what of the terms speaks against this request at `now`; empty: nothing. Looks at the claim's
// time, network, device and profile, not at uses.
struct ClaimedRequest {
  std::string_view device;
  std::string_view profile;
  std::string_view source_address;  // numeric
  UtcTime now{};
};
std::string_view claim_objection(const registry::Claim& claim, const ClaimedRequest& request);

// The same for a device that exists and the number of certificates it had before.
std::string_view claim_objection(const registry::Claim& claim, const registry::Device& device, std::size_t earlier);

// for_claimant makes of a refusal what the holder of a claim may know.
Error for_claimant(Error error);

// ClaimLedger holds the claims of one group of requests while they are reserved. Confined to one thread.
class ClaimLedger {
 public:
  // Scope: the tenant's. Forgets what was loaded before.
  Result<void> load(db::Transaction& tx, const TenantId& tenant, std::span<const ClaimId> ids);

  // The claim, if it may be used once more and has no objection; counts this use, so that a group does not begin (and
  // create devices for) more than the claim allows. The reason of an error is for the audit.
  Result<registry::Claim> admit(const Caller& caller, const ClaimedRequest& request);

 private:
  struct Entry {
    registry::Claim claim;
    std::int64_t begun = 0;
  };
  std::map<ClaimId, Entry> claims_;
};

}  // namespace muster::enroll
