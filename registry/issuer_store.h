// SPDX-License-Identifier: Apache-2.0
//
// Purpose: CA certificates and their wrapped keys. Issuers of the platform (roots, intermediate, infrastructure) have
// no tenant: scope system. A tenant's issuing CA: that tenant's scope; reading any: system.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/time.h"
#include "db/transaction.h"

namespace muster::registry {

enum class IssuerKind : std::uint8_t {
  kDeviceRoot,
  kDeviceIntermediate,
  kTenantIssuing,
  kInfrastructureRoot,
};
std::string_view to_string(IssuerKind kind);

// prepare: known to edges, not used yet; active: signs; retiring: signs no more but vouches; retired: vouches no more.
enum class IssuerStatus : std::uint8_t { kPrepare, kActive, kRetiring, kRetired };
std::string_view to_string(IssuerStatus status);

struct Issuer {
  IssuerId id;
  TenantId tenant_id;  // nil: of the platform
  IssuerKind kind = IssuerKind::kTenantIssuing;
  IssuerStatus status = IssuerStatus::kPrepare;
  IssuerId parent_id;  // nil: self-signed
  Sha256 spki_sha256{};
  Bytes certificate;         // DER
  std::vector<Bytes> chain;  // DER of the issuers above it, nearest first, root last; empty for a root
  UtcTime not_before{};
  UtcTime not_after{};
  UtcTime created_at{};
};

// WrappedKey is a private key as ca/ wrapped it; the registry does not look inside.
struct WrappedKey {
  KeyId id;
  TenantId tenant_id;  // nil: of the platform
  IssuerId issuer_id;
  Sha256 spki_sha256{};
  std::string kek_id;
  Bytes blob;  // at most 16 KiB
};

// Stores an issuer with its id chosen by the caller, marks its key as used by a CA and announces it when it belongs to
// a tenant. Reasons: issuer.active_exists, key.already_used.
Result<void> insert_issuer(db::Transaction& tx, const Issuer& issuer);
Result<Issuer> get_issuer(db::Transaction& tx, const IssuerId& id);  // reason: issuer.not_found
// The one that signs now. `tenant` nil for the platform's kinds. Reason: issuer.not_found.
Result<Issuer> get_active_issuer(db::Transaction& tx, const TenantId& tenant, IssuerKind kind);
// `tenant` nil: those of the platform. By creation.
Result<std::vector<Issuer>> list_issuers(db::Transaction& tx, const TenantId& tenant);
// One step forward in prepare → active → retiring → retired. Reasons: issuer.not_found, issuer.status_invalid,
// issuer.active_exists.
Result<void> set_issuer_status(db::Transaction& tx, const IssuerId& id, IssuerStatus status);

Result<void> insert_wrapped_key(db::Transaction& tx, const WrappedKey& key);
Result<WrappedKey> get_wrapped_key(db::Transaction& tx, const IssuerId& issuer);  // reason: issuer.not_found
// Replaces the blob after the key-encryption key was changed. Scope: system. Reason: issuer.not_found.
Result<void> rewrap_key(db::Transaction& tx, const KeyId& id, std::string_view kek_id, BytesView blob);
// Scope: system. For rotation of the key-encryption key and for doctor.
Result<std::vector<WrappedKey>> list_wrapped_keys(db::Transaction& tx);

}  // namespace muster::registry
