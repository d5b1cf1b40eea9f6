// SPDX-License-Identifier: Apache-2.0
//
// Purpose: CA certificates (their keys: registry/wrapped_key_store.h). Issuers of the platform (roots, intermediate,
// infrastructure) have no tenant: scope system. A tenant's issuing CA: that tenant's scope; reading any: system.
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
#include "db/later.h"
#include "db/transaction.h"

namespace muster::registry {

enum class IssuerKind : std::uint8_t {
  kDeviceRoot,
  kDeviceIntermediate,
  kTenantIssuing,
  kInfrastructureRoot,
};
std::string_view to_string(IssuerKind kind);

// requested: another CA has its request, edges know nothing of it; prepare: edges let its devices in, it does not sign
// yet; active: signs; retiring: signs no more but vouches; retired: vouches no more.
enum class IssuerStatus : std::uint8_t { kRequested, kPrepare, kActive, kRetiring, kRetired };
std::string_view to_string(IssuerStatus status);
std::optional<IssuerStatus> parse_issuer_status(std::string_view text);

// internal: signed by a CA whose key is here (or itself); subordinate: by one whose key is not.
enum class IssuerOrigin : std::uint8_t { kInternal, kSubordinate };
std::string_view to_string(IssuerOrigin origin);

inline constexpr std::string_view kDefaultSlot = "default";
// Whether `slot` may name one: lower-case letters, digits and hyphens, at most 32.
bool is_issuer_slot(std::string_view slot);
inline constexpr std::size_t kMaxIssuerName = 128;  // octets

struct Issuer {
  IssuerId id;
  TenantId tenant_id;  // nil: of the platform
  IssuerKind kind = IssuerKind::kTenantIssuing;
  IssuerStatus status = IssuerStatus::kPrepare;
  IssuerId parent_id;  // nil: self-signed
  Sha256 spki_sha256{};
  Bytes certificate;         // DER; empty while requested, and where a request was withdrawn
  std::vector<Bytes> chain;  // DER of the issuers above it, nearest first, root last; empty for a root
  UtcTime not_before{};      // of the certificate
  UtcTime not_after{};
  UtcTime created_at{};
  std::string slot{kDefaultSlot};
  std::string name;  // for people; may be empty
  IssuerOrigin origin = IssuerOrigin::kInternal;
  Bytes request{};  // subordinate: PKCS #10, DER
};

// Stores an issuer with its id chosen by the caller, marks its key as used by a CA and announces it when it belongs to
// a tenant and has a certificate. Reasons: issuer.active_exists, key.already_used.
Result<void> insert_issuer(db::Transaction& tx, const Issuer& issuer);
Result<Issuer> get_issuer(db::Transaction& tx, const IssuerId& id);  // reason: issuer.not_found
// The one of a slot that signs now. `tenant` nil for the platform's kinds. Reason: issuer.not_found.
Result<Issuer> get_active_issuer(db::Transaction& tx, const TenantId& tenant, IssuerKind kind,
                                 std::string_view slot = kDefaultSlot);
db::Later<Issuer> ask_active_issuer(db::Transaction& tx, const TenantId& tenant, IssuerKind kind,
                                    std::string_view slot = kDefaultSlot);
// One of that tenant (nil: of the platform). Reason: issuer.not_found.
Result<Issuer> get_issuer_of(db::Transaction& tx, const TenantId& tenant, const IssuerId& id);
// All of a slot, in the order of their ids, locked until the transaction's end: changes of who signs come one by one.
Result<std::vector<Issuer>> lock_issuers(db::Transaction& tx, const TenantId& tenant, IssuerKind kind,
                                         std::string_view slot);
// `tenant` nil: those of the platform. By creation.
Result<std::vector<Issuer>> list_issuers(db::Transaction& tx, const TenantId& tenant);
// One step forward in prepare → active → retiring → retired, or from requested or prepare to retired (given up).
// Reasons: issuer.not_found, issuer.status_invalid, issuer.active_exists.
Result<void> set_issuer_status(db::Transaction& tx, const IssuerId& id, IssuerStatus status);

// Gives a requested issuer its certificate: it is then in prepare, and announced. Of `installed` id, tenant_id,
// certificate, chain and times are taken. Reason: issuer.status_invalid (it has one, or was given up).
Result<void> install_issuer_certificate(db::Transaction& tx, const Issuer& installed);

struct IssuerCount {
  std::size_t in_use = 0;  // not retired
  std::size_t ever = 0;
};
Result<IssuerCount> count_issuers(db::Transaction& tx, const TenantId& tenant);
// Certificates of an issuer that are neither revoked nor expired, and those that are being issued.
Result<std::size_t> count_certificates_of(db::Transaction& tx, const TenantId& tenant, const IssuerId& issuer,
                                          UtcTime now);

// Another certificate for an issuer's key, with its own way up.
struct CrossCertificate {
  Sha256 id{};  // SHA-256 of the DER
  Bytes certificate;
  std::vector<Bytes> chain;  // nearest first, root last
  UtcTime not_before{};
  UtcTime not_after{};
  UtcTime created_at{};
};
// Storing one again does nothing. Scope: the tenant's, for all three.
Result<void> insert_cross_certificate(db::Transaction& tx, const TenantId& tenant, const IssuerId& issuer,
                                      const CrossCertificate& cross);
// By creation.
Result<std::vector<CrossCertificate>> list_cross_certificates(db::Transaction& tx, const TenantId& tenant,
                                                              const IssuerId& issuer);
// Reason: issuer.cross_certificate_not_found.
Result<void> delete_cross_certificate(db::Transaction& tx, const TenantId& tenant, const IssuerId& issuer,
                                      const Sha256& id);

}  // namespace muster::registry
