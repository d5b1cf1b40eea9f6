// SPDX-License-Identifier: Apache-2.0
//
// Purpose: device certificates in the order of issuing (design.md §5): reserve_intents (serial, linted TBS, key use),
// then the CA signs, then store_certificates. What is not stored is on no edge's list. Scope: the tenant's, unless said
// otherwise.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/time.h"
#include "db/later.h"
#include "db/transaction.h"
#include "registry/page.h"

namespace muster::registry {

// RFC 5280 §5.3.1 CRLReason. removeFromCRL and certificateHold are not offered: both need delta CRLs or un-revoking.
enum class RevocationReason : std::uint8_t {
  kUnspecified = 0,
  kKeyCompromise = 1,
  kCaCompromise = 2,
  kAffiliationChanged = 3,
  kSuperseded = 4,
  kCessationOfOperation = 5,
  kPrivilegeWithdrawn = 9,
  kAaCompromise = 10,
};
std::string_view to_string(RevocationReason reason);  // RFC 5280's enumerator: "keyCompromise"
std::optional<RevocationReason> parse_revocation_reason(std::string_view text);

struct CertificateIntent {
  IssuerId issuer_id;
  Bytes serial;  // 1..20 octets, positive, without leading zero octets beyond the sign
  DeviceId device_id;
  Sha256 spki_sha256{};
  Bytes tbs_certificate;  // DER, linted
  std::uint32_t crl_shard = 0;
};

// reserve_intents records what is about to be signed and binds each key to its device, in bulk. Nothing is reserved
// when one of them fails; the failing one is found by running them one by one (db::run_group). Reasons:
// key.already_used (the key was ever used by another device of any tenant, by a CA, or was revoked for compromise),
// serial.already_used, device.not_found (device of another tenant, or deleted).
Result<void> reserve_intents(db::Transaction& tx, const TenantId& tenant, std::span<const CertificateIntent> intents);

struct NewCertificate {
  Sha256 id{};  // SHA-256 of the DER
  IssuerId issuer_id;
  Bytes serial;
  DeviceId device_id;
  Sha256 spki_sha256{};
  UtcTime not_before{};
  UtcTime not_after{};
  std::uint32_t crl_shard = 0;
  std::string profile;
  Bytes certificate;  // DER
};

// store_certificates makes signed certificates valid: stores them and announces them to the edges, in bulk. The audit
// rows are the caller's (append_audit_events in the same transaction).
// Reasons: certificate.intent_missing (no intent of that issuer, serial, device and key, or one that was revoked),
// certificate.exists.
Result<void> store_certificates(db::Transaction& tx, const TenantId& tenant,
                                std::span<const NewCertificate> certificates);

enum class CertificateStatus : std::uint8_t { kActive, kRevoked, kExpired };
std::string_view to_string(CertificateStatus status);
std::optional<CertificateStatus> parse_certificate_status(std::string_view text);

struct CertificateRow {
  Sha256 id{};
  Bytes serial;
  TenantId tenant_id;
  DeviceId device_id;
  std::string device_name;
  IssuerId issuer_id;
  CertificateStatus status = CertificateStatus::kActive;
  Sha256 spki_sha256{};
  UtcTime not_before{};
  UtcTime not_after{};
  std::optional<UtcTime> revoked_at;
  std::optional<RevocationReason> revocation_reason;
  std::uint32_t crl_shard = 0;
  Bytes certificate;  // DER; empty in lists
  std::string profile;
};

// `now` decides what is expired, everywhere below. Reason: certificate.not_found.
Result<CertificateRow> get_certificate(db::Transaction& tx, const TenantId& tenant, const Sha256& id, UtcTime now);
// `reference` is an id (64 hexadecimal digits) or a serial (lower-case hexadecimal).
// Reasons: certificate.not_found, certificate.serial_ambiguous.
Result<CertificateRow> get_certificate_by_reference(db::Transaction& tx, const TenantId& tenant,
                                                    std::string_view reference, UtcTime now);
// By exact id whatever the tenant is; for client certificates and OCSP. Scope: system.
Result<std::optional<CertificateRow>> find_certificate(db::Transaction& tx, const Sha256& id, UtcTime now);
Result<std::optional<CertificateRow>> find_certificate_by_serial(db::Transaction& tx, const IssuerId& issuer,
                                                                 BytesView serial, UtcTime now);

// Those of the tenant that are there, without their DER.
db::Later<std::map<Sha256, CertificateRow>> ask_certificates(db::Transaction& tx, const TenantId& tenant,
                                                             std::span<const Sha256> ids, UtcTime now);

struct CertificateFilter {  // absent: any
  std::optional<DeviceId> device_id;
  std::optional<CertificateStatus> status;
  std::optional<UtcTime> expires_before;
  std::optional<IssuerId> issuer_id;
};
// By notAfter, soonest first.
Result<Page<CertificateRow>> list_certificates(db::Transaction& tx, const TenantId& tenant,
                                               const CertificateFilter& filter, const PageRequest& page, UtcTime now);

// How many certificates the device ever got, revoked and expired ones included: a factory may ask for the first only.
// One count per device, in order. Locks the devices' rows until the end of the transaction, so that two requests for a
// first certificate cannot both see zero: for that it must be asked in the transaction that stores (and may be asked
// before signing as well, to refuse early).
Result<std::vector<std::size_t>> count_certificates(db::Transaction& tx, const TenantId& tenant,
                                                    std::span<const DeviceId> devices);

struct Revocation {
  RevocationReason reason = RevocationReason::kUnspecified;
  UtcTime at{};
};
struct RevocationOutcome {
  CertificateRow certificate;
  bool changed = false;  // false: it was revoked before, with the reason and time it had
};
// Revokes and announces. keyCompromise also blocks the key for ever. Reason: certificate.not_found.
Result<RevocationOutcome> revoke_certificate(db::Transaction& tx, const TenantId& tenant, const Sha256& id,
                                             const Revocation& revocation);
// All unrevoked, unexpired certificates of a device; returns their ids.
Result<std::vector<Sha256>> revoke_device_certificates(db::Transaction& tx, const TenantId& tenant,
                                                       const DeviceId& device, const Revocation& revocation);

// SPKI hashes of the certificates that end last, whatever their status; devices without one are left out.
db::Later<std::map<DeviceId, Sha256>> ask_newest_keys(db::Transaction& tx, const TenantId& tenant,
                                                      std::span<const DeviceId> devices);

}  // namespace muster::registry
