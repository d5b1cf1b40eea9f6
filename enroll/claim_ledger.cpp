// SPDX-License-Identifier: Apache-2.0
#include "enroll/claim_ledger.h"

#include <algorithm>

#include "enroll/device_pattern.h"
#include "enroll/ip_network.h"
#include "enroll/reasons.h"

namespace muster::enroll {

namespace {

bool covers_device(const registry::ClaimTerms& terms, std::string_view device) {
  if (!terms.device_pattern.empty()) return device_pattern_matches(terms.device_pattern, device);
  return std::ranges::find(terms.devices, device) != terms.devices.end();
}

bool covers_network(const registry::ClaimTerms& terms, std::string_view address) {
  if (terms.networks.empty()) return true;
  return std::ranges::any_of(terms.networks, [&](const std::string& text) {
    const auto network = IpNetwork::parse(text);
    return network.ok() && network->contains(address);
  });
}

}  // namespace

std::string_view claim_objection(const registry::Claim& claim, const ClaimedRequest& request) {
  if (claim.revoked_at) return reasons::kClaimRevoked;
  if (claim.terms.expires_at <= request.now) return reasons::kClaimExpired;
  if (!covers_network(claim.terms, request.source_address)) return reasons::kClaimNetworkNotCovered;
  if (!covers_device(claim.terms, request.device)) return reasons::kClaimDeviceNotCovered;
  if (claim.terms.profile != request.profile) return reasons::kClaimProfileNotCovered;
  return {};
}

std::string_view claim_objection(const registry::Claim& claim, const registry::Device& device, std::size_t earlier) {
  const std::string& group = claim.terms.group;
  if (!group.empty() && std::ranges::find(device.groups, group) == device.groups.end()) {
    return reasons::kClaimGroupDiffers;
  }
  if (earlier > 0 && !claim.terms.may_reissue) return reasons::kClaimDeviceHasCertificate;
  return {};
}

Error for_claimant(Error error) {
  switch (error.code) {
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kNotFound:
    case ErrorCode::kFailedPrecondition: return Error{ErrorCode::kPermissionDenied, reasons::kClaimRefused, {}};
    default: return error;
  }
}

Result<void> ClaimLedger::load(db::Transaction& tx, const TenantId& tenant, std::span<const ClaimId> ids) {
  claims_.clear();
  if (ids.empty()) return {};
  MUSTER_TRY(auto found, registry::get_claims(tx, tenant, ids));
  for (registry::Claim& claim : found) {
    const ClaimId id = claim.id;
    claims_.emplace(id, Entry{std::move(claim)});
  }
  return {};
}

Result<registry::Claim> ClaimLedger::admit(const Caller& caller, const ClaimedRequest& request) {
  const auto refuse = [](std::string_view reason) { return Error{ErrorCode::kPermissionDenied, reason, {}}; };
  const auto entry = caller.claim ? claims_.find(*caller.claim) : claims_.end();
  if (entry == claims_.end()) return refuse(reasons::kClaimUnknown);
  const registry::Claim& claim = entry->second.claim;
  if (const auto objection = claim_objection(claim, request); !objection.empty()) return refuse(objection);
  if (claim.uses + entry->second.begun >= claim.terms.max_uses) return refuse(reasons::kClaimUsedUp);
  ++entry->second.begun;
  return claim;
}

}  // namespace muster::enroll
