// SPDX-License-Identifier: Apache-2.0
#include "registry/certificate_store.h"

#include <unordered_map>

#include "core/encoding.h"
#include "db/statement.h"
#include "registry/change_store.h"
#include "registry/cursor.h"
#include "registry/name_lookup.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

constexpr EnumNames<RevocationReason, 8> kReasonNames{
    {{RevocationReason::kUnspecified, "unspecified"},
     {RevocationReason::kKeyCompromise, "keyCompromise"},
     {RevocationReason::kCaCompromise, "cACompromise"},
     {RevocationReason::kAffiliationChanged, "affiliationChanged"},
     {RevocationReason::kSuperseded, "superseded"},
     {RevocationReason::kCessationOfOperation, "cessationOfOperation"},
     {RevocationReason::kPrivilegeWithdrawn, "privilegeWithdrawn"},
     {RevocationReason::kAaCompromise, "aACompromise"}}};
constexpr EnumNames<CertificateStatus, 3> kStatusNames{{{CertificateStatus::kActive, "active"},
                                                        {CertificateStatus::kRevoked, "revoked"},
                                                        {CertificateStatus::kExpired, "expired"}}};

std::string select_certificates(const char* der, const std::string& from = "muster.certificates") {
  return std::string(
             "SELECT c.id, c.serial, c.tenant_id, c.device_id, d.name, c.issuer_id, c.status, c.spki_sha256,"
             " c.not_before, c.not_after, c.revoked_at, c.revocation_reason, c.crl_shard, ") +
         der + ", c.profile FROM " + from +
         " AS c"
         " JOIN muster.devices AS d ON d.tenant_id = c.tenant_id AND d.id = c.device_id ";
}
const std::string kSelect = select_certificates("c.certificate");

const db::Statement kGet{"get_certificate", kSelect + "WHERE c.tenant_id = $1::uuid AND c.id = $2::bytea"};
// Serials are unique within an issuer only; two are enough to know that it is ambiguous.
const db::Statement kGetBySerial{
    "get_certificate_by_serial",
    kSelect +
        "WHERE c.tenant_id = $1::uuid AND c.serial = $2::bytea AND c.issuer_id = ANY (ARRAY(SELECT i.id"
        " FROM muster.issuers AS i WHERE i.tenant_id = $1::uuid)) LIMIT 2"};
const db::Statement kFind{"find_certificate", kSelect + "WHERE c.id = $1::bytea"};
const db::Statement kFindBySerial{"find_certificate_by_serial",
                                  kSelect + "WHERE c.issuer_id = $1::uuid AND c.serial = $2::bytea"};

// $2 now, $3 status, $4 expires before, $5 issuer, $6 and $7 the last page's end, $8 limit.
const std::string kListWhere =
    " AND ($3::text IS NULL OR $3 = CASE WHEN c.status = 'revoked' THEN 'revoked'"
    "   WHEN c.not_after < $2::timestamptz THEN 'expired' ELSE 'active' END)"
    " AND ($4::timestamptz IS NULL OR c.not_after < $4::timestamptz) AND ($5::uuid IS NULL OR c.issuer_id = $5::uuid)"
    " AND ($6::timestamptz IS NULL OR (c.not_after, c.id) > ($6::timestamptz, $7::bytea))"
    " ORDER BY c.not_after, c.id LIMIT $8::bigint";
const std::string kSelectBrief = select_certificates("''::bytea");
// OFFSET 0, and why arrays are selected: device_store.cpp.
const db::Statement kFindMany{
    "find_certificates",
    select_certificates(
        "''::bytea",
        "unnest((SELECT $2::bytea[])) AS u (id) CROSS JOIN LATERAL (SELECT v.* FROM muster.certificates AS v"
        " WHERE v.id = u.id AND v.tenant_id = $1::uuid OFFSET 0)")};
const db::Statement kList{"list_certificates", kSelectBrief + "WHERE c.tenant_id = $1::uuid" + kListWhere};
// A statement of its own: it has its own index.
const db::Statement kListOfDevice{
    "list_device_certificates", kSelectBrief + "WHERE c.tenant_id = $1::uuid AND c.device_id = $9::uuid" + kListWhere};

const db::Statement kLockDevices{"lock_devices",
                                 "SELECT FROM (SELECT DISTINCT n.id FROM unnest($2::uuid[]) AS n (id) ORDER BY n.id)"
                                 " AS u CROSS JOIN LATERAL (SELECT FROM muster.devices AS v"
                                 "  WHERE v.tenant_id = $1::uuid AND v.id = u.id FOR NO KEY UPDATE) AS d"};
const db::Statement kCount{
    "count_certificates",
    "SELECT u.id, (SELECT count(*) FROM muster.certificates AS c"
    "  WHERE c.tenant_id = $1::uuid AND c.device_id = u.id) FROM unnest((SELECT $2::uuid[])) AS u (id)"};

const db::Statement kNewestKeys{
    "newest_certificate_keys",
    "SELECT u.id, c.spki_sha256 FROM unnest((SELECT $2::uuid[])) AS u (id) CROSS JOIN LATERAL (SELECT n.spki_sha256"
    "  FROM muster.certificates AS n WHERE n.tenant_id = $1::uuid AND n.device_id = u.id"
    "  ORDER BY n.not_after DESC LIMIT 1) AS c"};  // as the index has them

const std::string kRevoked =
    "UPDATE muster.certificates SET status = 'revoked', revoked_at = $3::timestamptz,"
    " revocation_reason = $4::smallint WHERE tenant_id = $1::uuid AND status = 'active' AND ";
const db::Statement kRevoke{"revoke_certificate", kRevoked + "id = $2::bytea"};
const db::Statement kRevokeOfDevice{"revoke_device_certificates",
                                    kRevoked +
                                        "device_id = $2::uuid AND not_after >= $3::timestamptz"
                                        " RETURNING id, spki_sha256"};
const db::Statement kBlockKey{"block_key",
                              "UPDATE muster.used_keys SET blocked_at = coalesce(blocked_at, $3::timestamptz)"
                              " WHERE tenant_id = $1::uuid AND spki_sha256 = $2::bytea"};

CertificateRow read(const db::Row& row, UtcTime now) {
  CertificateRow certificate{row.sha256(0),
                             row.bytes(1),
                             row.id<TenantId>(2),
                             row.id<DeviceId>(3),
                             row.text(4),
                             row.id<IssuerId>(5),
                             CertificateStatus::kActive,
                             row.sha256(7),
                             row.time(8),
                             row.time(9),
                             row.time_if_any(10),
                             std::nullopt,
                             static_cast<std::uint32_t>(row.number(12)),
                             row.bytes(13),
                             row.text(14)};
  if (row.text_view(6) == "revoked") {
    certificate.status = CertificateStatus::kRevoked;
    certificate.revocation_reason = static_cast<RevocationReason>(row.number(11));
  } else if (certificate.not_after < now) {  // notAfter is inclusive [RFC5280 4.1.2.5]
    certificate.status = CertificateStatus::kExpired;
  }
  return certificate;
}

Error not_found() { return {ErrorCode::kNotFound, kCertificateNotFound, ""}; }

Result<std::optional<CertificateRow>> first(Result<db::Rows> rows, UtcTime now) {
  if (!rows.ok()) return std::move(rows).error();
  if (rows->empty()) return std::optional<CertificateRow>{};
  return std::optional<CertificateRow>{read((*rows)[0], now)};
}

// Lower-case hexadecimal without separators, of at most `most` octets.
std::optional<Bytes> parse_reference(std::string_view text, std::size_t most) {
  if (text.empty() || text.size() > 2 * most || text.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return std::nullopt;
  }
  auto bytes = from_hex(text);
  if (!bytes.ok()) return std::nullopt;
  return std::move(bytes).value();
}

struct ListPosition {
  std::optional<UtcTime> not_after;
  Bytes id;
};

Result<ListPosition> parse_position(const std::string& cursor) {
  if (cursor.empty()) return ListPosition{};
  MUSTER_TRY(const std::string text, decode_cursor(cursor));
  const auto space = text.find(' ');
  const auto time = parse_rfc3339(std::string_view(text).substr(0, space));
  const auto id = space == std::string::npos ? std::nullopt : parse_reference(text.substr(space + 1), 32);
  if (!time.ok() || !id) return Error{ErrorCode::kInvalidArgument, kCursorInvalid, ""};
  return ListPosition{*time, *id};
}

}  // namespace

std::string_view to_string(RevocationReason reason) { return name_of(kReasonNames, reason); }
std::optional<RevocationReason> parse_revocation_reason(std::string_view text) { return value_of(kReasonNames, text); }
std::string_view to_string(CertificateStatus status) { return name_of(kStatusNames, status); }
std::optional<CertificateStatus> parse_certificate_status(std::string_view text) {
  return value_of(kStatusNames, text);
}

Result<CertificateRow> get_certificate(db::Transaction& tx, const TenantId& tenant, const Sha256& id, UtcTime now) {
  MUSTER_TRY(auto certificate, first(db::run(tx, kGet, {tenant, id}), now));
  if (!certificate) return not_found();
  return std::move(*certificate);
}

Result<CertificateRow> get_certificate_by_reference(db::Transaction& tx, const TenantId& tenant,
                                                    std::string_view reference, UtcTime now) {
  const auto bytes = parse_reference(reference, 32);
  if (!bytes) return not_found();
  if (bytes->size() == 32) {
    Sha256 id{};
    std::copy(bytes->begin(), bytes->end(), id.begin());
    return get_certificate(tx, tenant, id, now);
  }
  MUSTER_TRY(const auto rows, db::run(tx, kGetBySerial, {tenant, *bytes}));
  if (rows.empty()) return not_found();
  if (rows.size() > 1) return Error{ErrorCode::kConflict, kCertificateSerialAmbiguous, ""};
  return read(rows[0], now);
}

Result<std::optional<CertificateRow>> find_certificate(db::Transaction& tx, const Sha256& id, UtcTime now) {
  return first(db::run(tx, kFind, {id}), now);
}

Result<std::optional<CertificateRow>> find_certificate_by_serial(db::Transaction& tx, const IssuerId& issuer,
                                                                 BytesView serial, UtcTime now) {
  return first(db::run(tx, kFindBySerial, {issuer, serial}), now);
}

db::Later<std::map<Sha256, CertificateRow>> ask_certificates(db::Transaction& tx, const TenantId& tenant,
                                                             std::span<const Sha256> ids, UtcTime now) {
  db::Array wanted(db::ElementType::kBytes);
  for (const Sha256& id : ids) wanted.add(id);
  using Found = std::map<Sha256, CertificateRow>;
  return db::Later<Found>{[asked = db::ask(tx, kFindMany, {tenant, wanted}), now]() -> Result<Found> {
    MUSTER_TRY(const auto rows, asked.rows());
    Found found;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      CertificateRow row = read(rows[i], now);
      const Sha256 id = row.id;
      found.emplace(id, std::move(row));
    }
    return found;
  }};
}

Result<Page<CertificateRow>> list_certificates(db::Transaction& tx, const TenantId& tenant,
                                               const CertificateFilter& filter, const PageRequest& page, UtcTime now) {
  MUSTER_TRY(const ListPosition after, parse_position(page.cursor));
  const std::size_t limit = page_size(page);
  const auto status = filter.status ? std::optional(to_string(*filter.status)) : std::nullopt;
  const auto run = [&]() {
    if (!filter.device_id) {
      return db::run(
          tx, kList,
          {tenant, now, status, filter.expires_before, filter.issuer_id, after.not_after, after.id, limit + 1});
    }
    return db::run(tx, kListOfDevice,
                   {tenant, now, status, filter.expires_before, filter.issuer_id, after.not_after, after.id, limit + 1,
                    *filter.device_id});
  };
  MUSTER_TRY(const auto rows, run());
  std::vector<CertificateRow> items;
  for (std::size_t i = 0; i < rows.size(); ++i) items.push_back(read(rows[i], now));
  return finish_page(std::move(items), limit, [](const CertificateRow& certificate) {
    return to_rfc3339(certificate.not_after) + " " + to_hex(certificate.id);
  });
}

Result<std::vector<std::size_t>> count_certificates(db::Transaction& tx, const TenantId& tenant,
                                                    std::span<const DeviceId> devices) {
  db::Array ids(db::ElementType::kUuid);
  for (const DeviceId& device : devices) ids.add(device);
  // Two statements: what was waited for is visible only to the next one's snapshot.
  MUSTER_TRY_VOID(db::run(tx, kLockDevices, {tenant, ids}));
  MUSTER_TRY(const auto rows, db::run(tx, kCount, {tenant, ids}));
  std::unordered_map<DeviceId, std::size_t> count_of;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    count_of.emplace(rows[i].id<DeviceId>(0), static_cast<std::size_t>(rows[i].number(1)));
  }
  std::vector<std::size_t> counts;
  for (const DeviceId& device : devices) {
    const auto found = count_of.find(device);
    counts.push_back(found == count_of.end() ? 0 : found->second);
  }
  return counts;
}

Result<RevocationOutcome> revoke_certificate(db::Transaction& tx, const TenantId& tenant, const Sha256& id,
                                             const Revocation& revocation) {
  MUSTER_TRY(const auto rows, db::run(tx, kRevoke, {tenant, id, revocation.at, static_cast<int>(revocation.reason)}));
  MUSTER_TRY(auto certificate, get_certificate(tx, tenant, id, revocation.at));
  if (revocation.reason == RevocationReason::kKeyCompromise) {
    MUSTER_TRY_VOID(db::run(tx, kBlockKey, {tenant, certificate.spki_sha256, revocation.at}));
  }
  const bool changed = rows.affected() > 0;
  if (changed) announce(tx, EntityKind::kCertificate, tenant, id);
  return RevocationOutcome{std::move(certificate), changed};
}

Result<std::vector<Sha256>> revoke_device_certificates(db::Transaction& tx, const TenantId& tenant,
                                                       const DeviceId& device, const Revocation& revocation) {
  MUSTER_TRY(const auto rows,
             db::run(tx, kRevokeOfDevice, {tenant, device, revocation.at, static_cast<int>(revocation.reason)}));
  std::vector<Sha256> ids;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ids.push_back(rows[i].sha256(0));
    announce(tx, EntityKind::kCertificate, tenant, ids.back());
    if (revocation.reason == RevocationReason::kKeyCompromise) {
      MUSTER_TRY_VOID(db::run(tx, kBlockKey, {tenant, rows[i].bytes_view(1), revocation.at}));
    }
  }
  return ids;
}

db::Later<std::map<DeviceId, Sha256>> ask_newest_keys(db::Transaction& tx, const TenantId& tenant,
                                                      std::span<const DeviceId> devices) {
  db::Array ids(db::ElementType::kUuid);
  for (const DeviceId& device : devices) ids.add(device);
  using Keys = std::map<DeviceId, Sha256>;
  return db::Later<Keys>{[asked = db::ask(tx, kNewestKeys, {tenant, ids})]() -> Result<Keys> {
    MUSTER_TRY(const auto rows, asked.rows());
    Keys keys;
    for (std::size_t i = 0; i < rows.size(); ++i) keys.emplace(rows[i].id<DeviceId>(0), rows[i].sha256(1));
    return keys;
  }};
}

}  // namespace muster::registry
