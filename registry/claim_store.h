// SPDX-License-Identifier: Apache-2.0
//
// Purpose: claims: credentials with which a device enrols itself, once or a counted number of times. Of a claim's
// secret only the SHA-256 is kept; a claim certificate is known by the hash of its DER. What a claim covers is decided
// in enroll/ (claim_rules.h); here stands what was promised and how often it was used. Scope: the tenant's, unless said
// otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/id.h"
#include "core/record.h"
#include "core/time.h"
#include "db/transaction.h"
#include "registry/claim_id.h"
#include "registry/page.h"

namespace muster::registry {

enum class ClaimKind : std::uint8_t { kSecret, kCertificate };
std::string_view to_string(ClaimKind kind);

inline constexpr std::size_t kMaxClaimDevices = 1'000;
inline constexpr std::size_t kMaxClaimNetworks = 64;
inline constexpr std::int64_t kMaxClaimUses = 1'000'000;

// ClaimTerms is what the administrator said when making it. Constant.
struct ClaimTerms {
  ClaimKind kind = ClaimKind::kSecret;
  std::string description;            // at most 256 octets
  std::string profile = "device";     // the one profile it may enrol under
  std::string group;                  // empty: none
  std::vector<std::string> devices;   // names; empty exactly where there is a pattern
  std::string device_pattern;         // device-name characters and '*'
  std::vector<std::string> networks;  // CIDR blocks; empty: any
  bool may_create = false;            // a device that does not exist
  bool may_reissue = false;           // for a device that has had a certificate; only with `devices`
  std::int64_t max_uses = 1;
  UtcTime expires_at{};
};

struct Claim {
  ClaimId id;
  TenantId tenant_id;
  ClaimTerms terms;
  std::int64_t uses = 0;
  std::string created_by;
  UtcTime created_at{};
  std::optional<UtcTime> revoked_at;
};

struct NewClaim {
  ClaimTerms terms;
  Sha256 sha256{};
  std::string created_by;
};

// Reason: claim.exists (an unrevoked claim of this tenant has that certificate).
Result<Claim> create_claim(db::Transaction& tx, const TenantId& tenant, const NewClaim& claim);
// The claim of that credential; used up, expired and (where there is no other) revoked ones too, so that their refusals
// can be audited.
Result<std::optional<Claim>> find_claim(db::Transaction& tx, const TenantId& tenant, ClaimKind kind,
                                        const Sha256& sha256);
// Whose claim a secret is, whatever the tenant. Scope: system.
Result<std::optional<Claim>> find_claim_of_any_tenant(db::Transaction& tx, const Sha256& secret_sha256);
// Whether any tenant would take that certificate at `now` as a claim that is neither used up, expired nor revoked.
// Scope: system.
Result<bool> is_open_claim_certificate(db::Transaction& tx, const Sha256& sha256, UtcTime now);
// Those of `ids` that exist, in no order.
Result<std::vector<Claim>> get_claims(db::Transaction& tx, const TenantId& tenant, std::span<const ClaimId> ids);
Result<Claim> get_claim(db::Transaction& tx, const TenantId& tenant, const ClaimId& id);  // reason: claim.not_found
// Newest first; revoked ones too.
Result<Page<Claim>> list_claims(db::Transaction& tx, const TenantId& tenant, const PageRequest& page);
// Reason: claim.not_found. Revoking twice is not an error.
Result<void> revoke_claim(db::Transaction& tx, const TenantId& tenant, const ClaimId& id, UtcTime now);
// Uses the claim up by one if it may still be used at `now`; false: it may not. To be called in the transaction that
// stores the certificate: of two that race one waits for the other's end, and a failed one has used nothing.
Result<bool> redeem_claim(db::Transaction& tx, const TenantId& tenant, const ClaimId& id, UtcTime now);
// For the deletion of a tenant.
Result<void> revoke_all_claims(db::Transaction& tx, const TenantId& tenant, UtcTime now);

}  // namespace muster::registry
