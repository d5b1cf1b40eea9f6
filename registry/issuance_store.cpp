// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the two bulk writes of issuing: reserve_intents and store_certificates.
#include "db/reasons.h"
#include "db/statement.h"
#include "registry/certificate_store.h"
#include "registry/change_store.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

// In the keys' order, so that two batches with keys in common cannot deadlock.
const db::Statement kUseKeys{"use_device_keys",
                             "INSERT INTO muster.used_keys (spki_sha256, tenant_id, device_id, holder)"
                             " SELECT u.spki, $1::uuid, u.device_id, 'device'"
                             " FROM unnest($2::bytea[], $3::uuid[]) AS u (spki, device_id) ORDER BY u.spki"
                             " ON CONFLICT DO NOTHING"};
// Only the tenant's own rows are visible, so a key of another tenant and one of a CA look the same: not there.
const db::Statement kCountOwnKeys{
    "count_own_keys",
    "SELECT count(*) FROM unnest($2::bytea[], $3::uuid[]) AS u (spki, device_id) JOIN muster.used_keys AS k"
    " ON k.spki_sha256 = u.spki AND k.tenant_id = $1::uuid AND k.device_id = u.device_id AND k.blocked_at IS NULL"};
const db::Statement kInsertIntents{
    "insert_intents",
    "INSERT INTO muster.certificate_intents (issuer_id, serial, tenant_id, device_id, spki_sha256, tbs_certificate,"
    " crl_shard)"
    " SELECT u.issuer_id, u.serial, $1::uuid, u.device_id, u.spki, u.tbs, u.shard"
    " FROM unnest($2::uuid[], $3::bytea[], $4::uuid[], $5::bytea[], $6::bytea[], $7::integer[])"
    "  AS u (issuer_id, serial, device_id, spki, tbs, shard) CROSS JOIN LATERAL"
    " (SELECT FROM muster.devices AS v WHERE v.tenant_id = $1::uuid AND v.id = u.device_id AND v.status <> 'deleted'"
    "  OFFSET 0) AS d CROSS JOIN LATERAL"
    " (SELECT FROM muster.used_keys AS k WHERE k.spki_sha256 = u.spki AND k.tenant_id = $1::uuid"
    "  AND k.device_id = u.device_id AND k.blocked_at IS NULL OFFSET 0) AS own"};
// The device's row is locked, so that deleting it either sees this certificate and revokes it, or comes first; in the
// order of the ids, as everybody locks devices. The sub-selects are look-ups by key: the planner, asked for a join, may
// read all devices of the tenant for each group.
const db::Statement kInsertCertificates{
    "insert_certificates",
    "INSERT INTO muster.certificates (id, tenant_id, device_id, issuer_id, serial, spki_sha256, not_before, not_after,"
    " crl_shard, profile, certificate)"
    " SELECT u.id, $1::uuid, u.device_id, u.issuer_id, u.serial, u.spki, u.not_before, u.not_after, u.shard, u.profile,"
    "  u.der"
    " FROM (SELECT n.* FROM unnest($2::bytea[], $3::uuid[], $4::uuid[], $5::bytea[], $6::bytea[], $7::timestamptz[],"
    "  $8::timestamptz[], $9::integer[], $10::text[], $11::bytea[])"
    "  AS n (id, device_id, issuer_id, serial, spki, not_before, not_after, shard, profile, der) ORDER BY n.device_id)"
    "  AS u CROSS JOIN LATERAL"
    " (SELECT FROM muster.certificate_intents AS i WHERE i.issuer_id = u.issuer_id AND i.serial = u.serial"
    "  AND i.tenant_id = $1::uuid AND i.device_id = u.device_id AND i.spki_sha256 = u.spki AND i.revoked_at IS NULL"
    "  OFFSET 0) AS intent CROSS JOIN LATERAL"
    " (SELECT FROM muster.devices AS v WHERE v.tenant_id = $1::uuid AND v.id = u.device_id AND v.status <> 'deleted'"
    "  FOR SHARE) AS d"};

}  // namespace

Result<void> reserve_intents(db::Transaction& tx, const TenantId& tenant, std::span<const CertificateIntent> intents) {
  if (intents.empty()) return {};
  db::Array issuers(db::ElementType::kUuid);
  db::Array serials(db::ElementType::kBytes);
  db::Array devices(db::ElementType::kUuid);
  db::Array keys(db::ElementType::kBytes);
  db::Array tbs(db::ElementType::kBytes);
  db::Array shards(db::ElementType::kInt32);
  for (const CertificateIntent& intent : intents) {
    issuers.add(intent.issuer_id);
    serials.add(intent.serial);
    devices.add(intent.device_id);
    keys.add(intent.spki_sha256);
    tbs.add(intent.tbs_certificate);
    shards.add(static_cast<std::int64_t>(intent.crl_shard));
  }
  MUSTER_TRY_VOID(db::send(tx, kUseKeys, {tenant, keys, devices}));
  const auto inserted = db::run(tx, kInsertIntents, {tenant, issuers, serials, devices, keys, tbs, shards});
  if (!inserted.ok()) {
    const auto constraint = db::violated_constraint(tx);
    if (constraint == "certificate_intents_pk") return Error{ErrorCode::kConflict, kSerialAlreadyUsed, ""};
    if (constraint == "certificate_intents_issuer_known") return Error{ErrorCode::kNotFound, kIssuerNotFound, ""};
    return inserted.error();
  }
  if (inserted->affected() == intents.size()) return {};
  MUSTER_TRY(const auto own, db::run(tx, kCountOwnKeys, {tenant, keys, devices}));
  const bool all_own = static_cast<std::size_t>(own[0].number(0)) == intents.size();
  return all_own ? Error{ErrorCode::kNotFound, kDeviceNotFound, ""} : Error{ErrorCode::kConflict, kKeyAlreadyUsed, ""};
}

Result<void> store_certificates(db::Transaction& tx, const TenantId& tenant,
                                std::span<const NewCertificate> certificates) {
  if (certificates.empty()) return {};
  db::Array ids(db::ElementType::kBytes);
  db::Array devices(db::ElementType::kUuid);
  db::Array issuers(db::ElementType::kUuid);
  db::Array serials(db::ElementType::kBytes);
  db::Array keys(db::ElementType::kBytes);
  db::Array not_before(db::ElementType::kTimestamp);
  db::Array not_after(db::ElementType::kTimestamp);
  db::Array shards(db::ElementType::kInt32);
  db::Array profiles(db::ElementType::kText);
  db::Array ders(db::ElementType::kBytes);
  for (const NewCertificate& certificate : certificates) {
    ids.add(certificate.id);
    devices.add(certificate.device_id);
    issuers.add(certificate.issuer_id);
    serials.add(certificate.serial);
    keys.add(certificate.spki_sha256);
    not_before.add(certificate.not_before);
    not_after.add(certificate.not_after);
    shards.add(static_cast<std::int64_t>(certificate.crl_shard));
    profiles.add_text(certificate.profile);
    ders.add(certificate.certificate);
    announce(tx, EntityKind::kCertificate, tenant, certificate.id);
  }
  const auto inserted =
      db::run(tx, kInsertCertificates,
              {tenant, ids, devices, issuers, serials, keys, not_before, not_after, shards, profiles, ders});
  if (!inserted.ok()) {
    if (inserted.error().reason == db::kDatabaseConflict) return Error{ErrorCode::kConflict, kCertificateExists, ""};
    return inserted.error();
  }
  if (inserted->affected() != certificates.size()) {
    return Error{ErrorCode::kFailedPrecondition, kCertificateIntentMissing, ""};
  }
  return {};
}

}  // namespace muster::registry
