// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what the renewal of certificates is steered by: incidents, which certificates devices have used, and a
// tenant's choice. Scope: the tenant's, unless said otherwise.
#pragma once

#include <cstddef>
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

namespace muster::registry {

// Of a certificate, what its renewal depends on.
struct RenewableCertificate {
  Sha256 id{};
  DeviceId device_id;
  IssuerId issuer_id;
  Sha256 spki_sha256{};
  UtcTime not_before{};
  UtcTime not_after{};
};
// The device's newest certificate that is neither revoked nor expired.
Result<std::optional<RenewableCertificate>> find_newest_certificate(db::Transaction& tx, const TenantId& tenant,
                                                                    const DeviceId& device, UtcTime now);
Result<std::optional<RenewableCertificate>> find_renewable_certificate(db::Transaction& tx, const TenantId& tenant,
                                                                       const Sha256& id);

enum class IncidentKind : std::uint8_t { kCertificates, kIssuer, kKey };
std::string_view to_string(IncidentKind kind);  // "certificates", "issuer", "key"

struct Incident {
  RawId id{};  // of a list or a new one's answer
  IncidentKind kind = IncidentKind::kCertificates;
  IssuerId issuer_id;                 // kIssuer: those it issued before created_at
  std::optional<Sha256> spki_sha256;  // kKey
  std::size_t certificate_count = 0;  // kCertificates
  std::string reason;                 // for people, at most 256 octets
  UtcTime created_at{};
  std::string created_by;
};
inline constexpr std::size_t kMaxIncidentCertificates = 1000;
inline constexpr std::size_t kMaxIncidentReason = 256;

// `certificates`: ids, for kCertificates; the caller has found them in this tenant's scope. Returns the id; created_at
// is the database's.
Result<RawId> insert_incident(db::Transaction& tx, const TenantId& tenant, const Incident& incident,
                              std::span<const Sha256> certificates);
// By creation; a tenant has a bounded number (enroll/incident_desk.h).
Result<std::vector<Incident>> list_incidents(db::Transaction& tx, const TenantId& tenant);
Result<void> delete_incident(db::Transaction& tx, const TenantId& tenant, const RawId& id);  // incident.not_found
Result<std::size_t> count_incidents(db::Transaction& tx, const TenantId& tenant);
// The newest incident that a certificate is part of.
Result<std::optional<Incident>> find_incident(db::Transaction& tx, const TenantId& tenant,
                                              const RenewableCertificate& certificate);

// kOnConnect: once a device has connected with a certificate, the older ones of the same profile are superseded.
enum class Superseding : std::uint8_t { kOnConnect, kNever };
std::string_view to_string(Superseding superseding);  // "on-connect", "never"
std::optional<Superseding> parse_superseding(std::string_view text);
Result<Superseding> get_superseding(db::Transaction& tx, const TenantId& tenant);  // kOnConnect unless set
Result<void> set_superseding(db::Transaction& tx, const TenantId& tenant, Superseding superseding);

struct SeenConnect {
  TenantId tenant_id;
  DeviceId device_id;
  Sha256 certificate_id{};
  std::string reported_by;  // database role of the edge
};
// Takes connects off the lifecycle stream, at most `limit` records of each partition; they count as taken when the
// transaction commits. What an edge says is a claim: the tenant is one that the edge serves, no more. Scope: system.
Result<std::vector<SeenConnect>> take_connects(db::Transaction& tx, std::size_t limit);

struct Superseded {
  Sha256 id{};
  Sha256 by{};
  DeviceId device_id;
  std::string device_name;
  std::string reported_by;
};
// Which certificates the connects of one tenant supersede: for each connect with a certificate that is active and of
// that device, the device's older active ones of the same profile.
Result<std::vector<Superseded>> find_superseded(db::Transaction& tx, const TenantId& tenant,
                                                std::span<const SeenConnect> connects, UtcTime now);

}  // namespace muster::registry
