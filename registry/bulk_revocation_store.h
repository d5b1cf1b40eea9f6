// SPDX-License-Identifier: Apache-2.0
//
// Purpose: revoking many certificates of a tenant: what was asked for, how far it is, and the parts it is done in.
// Scope: the tenant's, unless said otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/time.h"
#include "db/transaction.h"
#include "registry/certificate_store.h"

namespace muster::registry {

inline constexpr std::size_t kMaxBulkSerials = 100'000;

// Which certificates: those named, or all unrevoked, unexpired ones that meet every criterion, at least one.
struct BulkSelection {
  std::vector<Bytes> serials;  // of any issuer of the tenant; empty: the criteria below
  std::optional<DeviceId> device_id;
  std::optional<IssuerId> issuer_id;
  std::string group;  // empty: any
  std::optional<UtcTime> expires_before;
  std::optional<UtcTime> not_before_after;   // issued at or after
  std::optional<UtcTime> not_before_before;  // issued before
  bool is_empty() const {
    return serials.empty() && !device_id && !issuer_id && group.empty() && !expires_before && !not_before_after &&
           !not_before_before;
  }
};

struct SelectedCertificate {
  Sha256 id{};
  Bytes serial;
  IssuerId issuer_id;
  DeviceId device_id;
  std::string device_name;
  UtcTime not_after{};
};

struct BulkRevocation {
  RawId id;
  RevocationReason reason = RevocationReason::kUnspecified;
  bool done = false;
  BulkSelection selection;
  std::uint64_t revoked = 0;
  std::uint64_t already_revoked = 0;  // serials only
  std::uint64_t not_found = 0;        // serials only
  std::string actor;
  UtcTime created_at{};
  std::optional<UtcTime> finished_at;
  // Where it goes on.
  std::size_t next_position = 0;
  std::optional<UtcTime> after_not_after;
  Bytes after_id;
};

// How many certificates a selection would revoke now, and the first `limit` of them by notAfter.
struct SelectionPreview {
  std::uint64_t count = 0;
  std::uint64_t already_revoked = 0;
  std::uint64_t not_found = 0;
  std::vector<SelectedCertificate> first;
};
Result<SelectionPreview> preview_selection(db::Transaction& tx, const TenantId& tenant, const BulkSelection& selection,
                                           UtcTime now, std::size_t limit);

Result<BulkRevocation> create_bulk_revocation(db::Transaction& tx, const TenantId& tenant,
                                              const BulkSelection& selection, RevocationReason reason,
                                              const std::string& actor);
// Reason: revocation.not_found.
Result<BulkRevocation> get_bulk_revocation(db::Transaction& tx, const TenantId& tenant, const RawId& id);

// Takes one that is not done for this transaction; empty: it is done, or somebody else works on it now.
Result<std::optional<BulkRevocation>> take_bulk_revocation(db::Transaction& tx, const TenantId& tenant,
                                                           const RawId& id);
// Revokes the next part, at most `limit` certificates, and stores the progress in `work`. Returns what was revoked by
// this call; the audit is the caller's.
Result<std::vector<SelectedCertificate>> revoke_next_part(db::Transaction& tx, const TenantId& tenant,
                                                          BulkRevocation& work, UtcTime now, std::size_t limit);

// Of all tenants, the oldest first. Scope: system.
Result<std::vector<std::pair<TenantId, RawId>>> list_running_bulk_revocations(db::Transaction& tx, std::size_t limit);
// Forgets those that were done before `before`. Scope: system.
Result<std::size_t> prune_bulk_revocations(db::Transaction& tx, UtcTime before);

}  // namespace muster::registry
