// SPDX-License-Identifier: Apache-2.0
#include "registry/trust_anchor_store.h"

#include <cstdlib>

#include "db/reasons.h"
#include "db/statement.h"
#include "registry/change_store.h"
#include "registry/name_lookup.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

constexpr EnumNames<TrustAnchorStatus, 5> kStatusNames{{{TrustAnchorStatus::kUnverified, "unverified"},
                                                        {TrustAnchorStatus::kActive, "active"},
                                                        {TrustAnchorStatus::kNoNewDevices, "no-new-devices"},
                                                        {TrustAnchorStatus::kSuspended, "suspended"},
                                                        {TrustAnchorStatus::kRevoked, "revoked"}}};
constexpr EnumNames<ExpiredCrlRule, 2> kRuleNames{
    {{ExpiredCrlRule::kFailClosed, "fail-closed"}, {ExpiredCrlRule::kLastKnownGood, "last-known-good"}}};

const std::string kSelect =
    "SELECT a.id, a.tenant_id, a.status, a.spki_sha256, a.subject, a.certificate, a.intermediates, a.not_after,"
    " a.device_id_from, a.device_id_prefix, a.code_sha256, a.code_expires_at, a.self_registration, a.max_devices,"
    " a.devices_per_minute, a.device_group, a.denied, a.expired_crl, a.crl_url, a.crl_fetch_seconds,"
    " a.crl_fetch_failure, a.crl_alarmed_at, a.created_at, a.verified_at FROM muster.trust_anchors AS a ";
const std::string kOne = "WHERE a.tenant_id = $1::uuid AND a.id = $2::uuid AND a.status <> 'deleted'";
const db::Statement kGet{"get_trust_anchor", kSelect + kOne};
const db::Statement kLock{"lock_trust_anchor", kSelect + kOne + " FOR UPDATE"};
const db::Statement kList{
    "list_trust_anchors",
    kSelect + "WHERE a.tenant_id = $1::uuid AND a.status <> 'deleted' ORDER BY a.created_at, a.id"};
// The tenant's row is locked, so that two at once cannot both be the last that fits.
const db::Statement kLockTenant{"lock_tenant_of_anchors",
                                "SELECT status = 'active' FROM muster.tenants WHERE id = $1::uuid FOR UPDATE"};
const db::Statement kCount{"count_trust_anchors",
                           "SELECT count(*), count(*) FILTER (WHERE subject = $2::bytea) FROM muster.trust_anchors"
                           " WHERE tenant_id = $1::uuid AND status <> 'deleted'"};
const db::Statement kInsert{
    "insert_trust_anchor",
    "INSERT INTO muster.trust_anchors (tenant_id, id, spki_sha256, subject, certificate, intermediates, not_after,"
    " device_id_from, device_id_prefix, code_sha256, code_expires_at, self_registration, max_devices,"
    " devices_per_minute, device_group, denied, expired_crl, crl_url, crl_fetch_seconds)"
    " VALUES ($1::uuid, $2::uuid, $3::bytea, $4::bytea, $5::bytea, $6::bytea[], $7::timestamptz, $8, $9, $10::bytea,"
    " $11::timestamptz, $12::boolean, $13::integer, $14::integer, $15, $16::text[], $17, $18, $19::integer)"};
const db::Statement kIsOurs{"is_key_of_ours",
                            "SELECT EXISTS (SELECT FROM muster.issuers WHERE spki_sha256 = $1::bytea)"
                            " OR EXISTS (SELECT FROM muster.used_keys WHERE spki_sha256 = $1::bytea)"};
const db::Statement kRedeem{
    "redeem_anchor_code",
    "UPDATE muster.trust_anchors SET status = 'active', verified_at = $4::timestamptz, code_sha256 = NULL,"
    " code_expires_at = NULL WHERE tenant_id = $1::uuid AND id = $2::uuid AND status = 'unverified'"
    " AND code_sha256 = $3::bytea AND code_expires_at >= $4::timestamptz"};
const db::Statement kRenewCode{
    "renew_anchor_code",
    "UPDATE muster.trust_anchors SET code_sha256 = $3::bytea, code_expires_at = $4::timestamptz"
    " WHERE tenant_id = $1::uuid AND id = $2::uuid AND status = 'unverified'"};
const db::Statement kUpdate{
    "update_trust_anchor",
    "UPDATE muster.trust_anchors SET status = $3, self_registration = $4::boolean, max_devices = $5::integer,"
    " devices_per_minute = $6::integer, device_group = $7, denied = $8::text[], expired_crl = $9,"
    " crl_next_fetch_at = CASE WHEN crl_url = $10 THEN crl_next_fetch_at ELSE '-infinity' END,"
    " crl_url = $10, crl_fetch_seconds = $11::integer"
    " WHERE tenant_id = $1::uuid AND id = $2::uuid AND status <> 'deleted'"};
const db::Statement kBury{
    "bury_trust_anchor",
    "UPDATE muster.trust_anchors SET status = 'deleted', code_sha256 = NULL,"
    " code_expires_at = NULL WHERE tenant_id = $1::uuid AND id = $2::uuid AND status <> 'deleted'"};
const db::Statement kDropCrls{"drop_external_crls",
                              "DELETE FROM muster.external_crls WHERE tenant_id = $1::uuid AND anchor_id = $2::uuid"};
const db::Statement kDropRevocations{
    "drop_external_revocations",
    "DELETE FROM muster.external_revocations WHERE tenant_id = $1::uuid AND anchor_id = $2::uuid"};
const db::Statement kDropCredentials{
    "drop_external_credentials",
    "DELETE FROM muster.external_credentials WHERE tenant_id = $1::uuid AND anchor_id = $2::uuid RETURNING id"};
const db::Statement kTakeTurn{
    "take_registration_turn",
    "UPDATE muster.trust_anchors SET"
    " window_count = CASE WHEN window_start > $3::timestamptz - interval '1 minute' THEN window_count + 1 ELSE 1 END,"
    " window_start = CASE WHEN window_start > $3::timestamptz - interval '1 minute' THEN window_start"
    "  ELSE $3::timestamptz END"
    " WHERE tenant_id = $1::uuid AND id = $2::uuid AND (window_start <= $3::timestamptz - interval '1 minute'"
    "  OR window_count < devices_per_minute)"};

TrustAnchorRow read(const db::Row& row) {
  TrustAnchorRow anchor;
  anchor.id = row.id<IssuerId>(0);
  anchor.tenant_id = row.id<TenantId>(1);
  anchor.status = stored_value(kStatusNames, row.text_view(2));
  anchor.spki_sha256 = row.sha256(3);
  anchor.subject = row.bytes(4);
  anchor.certificate = row.bytes(5);
  anchor.intermediates = row.byte_strings(6);
  anchor.not_after = row.time(7);
  const auto source = parse_device_id_source(row.text_view(8));
  if (!source) std::abort();  // a CHECK constraint allows nothing else
  anchor.source = *source;
  anchor.prefix = row.text(9);
  if (!row.is_null(10)) anchor.code_sha256 = row.sha256(10);
  anchor.code_expires_at = row.time_if_any(11);
  anchor.self_registration = {row.boolean(12), row.number(13), row.number(14), row.text(15), row.texts(16)};
  anchor.expired_crl = stored_value(kRuleNames, row.text_view(17));
  anchor.crl = {row.text(18), row.number(19)};
  anchor.crl_fetch_failure = row.text(20);
  anchor.crl_alarmed_at = row.time_if_any(21);
  anchor.created_at = row.time(22);
  anchor.verified_at = row.time_if_any(23);
  return anchor;
}

Error not_found() { return {ErrorCode::kNotFound, kTrustAnchorNotFound, ""}; }

void announce_anchor(db::Transaction& tx, const TenantId& tenant, const IssuerId& id) {
  announce(tx, EntityKind::kTrustAnchor, tenant, id.octets());
}

Result<TrustAnchorRow> one(Result<db::Rows> rows) {
  if (!rows.ok()) return std::move(rows).error();
  if (rows->empty()) return not_found();
  return read((*rows)[0]);
}

db::Array texts_of(const std::vector<std::string>& texts) {
  db::Array array(db::ElementType::kText);
  for (const std::string& text : texts) array.add_text(text);
  return array;
}

Result<void> check_room(db::Transaction& tx, const TrustAnchorRow& anchor) {
  MUSTER_TRY(const auto tenant, db::run(tx, kLockTenant, {anchor.tenant_id}));
  if (tenant.empty()) return Error{ErrorCode::kNotFound, kTenantNotFound, ""};
  if (!tenant[0].boolean(0)) return Error{ErrorCode::kFailedPrecondition, kTenantInactive, ""};
  MUSTER_TRY(const auto counts, db::run(tx, kCount, {anchor.tenant_id, anchor.subject}));
  if (counts[0].number(0) >= static_cast<std::int64_t>(kMaxTrustAnchors)) {
    return Error{ErrorCode::kFailedPrecondition, kTrustAnchorLimit, ""};
  }
  if (counts[0].number(1) >= static_cast<std::int64_t>(kMaxTrustAnchorsOfOneName)) {
    return Error{ErrorCode::kFailedPrecondition, kTrustAnchorNameLimit, ""};
  }
  return {};
}

}  // namespace

std::string_view to_string(TrustAnchorStatus status) { return name_of(kStatusNames, status); }
std::optional<TrustAnchorStatus> parse_trust_anchor_status(std::string_view text) {
  return value_of(kStatusNames, text);
}
std::string_view to_string(ExpiredCrlRule rule) { return name_of(kRuleNames, rule); }
std::optional<ExpiredCrlRule> parse_expired_crl_rule(std::string_view text) { return value_of(kRuleNames, text); }

Result<TrustAnchorRow> insert_trust_anchor(db::Transaction& tx, const TrustAnchorRow& anchor) {
  MUSTER_TRY_VOID(check_room(tx, anchor));
  db::Array intermediates(db::ElementType::kBytes);
  for (const Bytes& der : anchor.intermediates) intermediates.add(der);
  const SelfRegistration& self = anchor.self_registration;
  const db::Array denied = texts_of(self.denied);
  const auto inserted =
      db::run(tx, kInsert,
              {anchor.tenant_id, anchor.id, anchor.spki_sha256, anchor.subject, anchor.certificate, intermediates,
               anchor.not_after, to_string(anchor.source), anchor.prefix, anchor.code_sha256, anchor.code_expires_at,
               self.enabled, self.max_devices, self.devices_per_minute, self.group, denied,
               to_string(anchor.expired_crl), anchor.crl.url, anchor.crl.fetch_seconds});
  if (!inserted.ok()) {
    const bool same_key = inserted.error().reason == db::kDatabaseConflict &&
                          db::violated_constraint(tx) == "trust_anchors_live_key_unique";
    return same_key ? Error{ErrorCode::kConflict, kTrustAnchorKeyExists, ""} : inserted.error();
  }
  return get_trust_anchor(tx, anchor.tenant_id, anchor.id);
}

Result<bool> is_key_of_ours(db::Transaction& tx, const Sha256& spki_sha256) {
  MUSTER_TRY_VOID(tx.enter(db::Scope::system()));
  MUSTER_TRY(const auto rows, db::run(tx, kIsOurs, {spki_sha256}));
  return rows[0].boolean(0);
}

Result<TrustAnchorRow> get_trust_anchor(db::Transaction& tx, const TenantId& tenant, const IssuerId& id) {
  return one(db::run(tx, kGet, {tenant, id}));
}

Result<TrustAnchorRow> lock_trust_anchor(db::Transaction& tx, const TenantId& tenant, const IssuerId& id) {
  return one(db::run(tx, kLock, {tenant, id}));
}

Result<std::vector<TrustAnchorRow>> list_trust_anchors(db::Transaction& tx, const TenantId& tenant) {
  MUSTER_TRY(const auto rows, db::run(tx, kList, {tenant}));
  std::vector<TrustAnchorRow> anchors;
  for (std::size_t i = 0; i < rows.size(); ++i) anchors.push_back(read(rows[i]));
  return anchors;
}

Result<bool> redeem_code(db::Transaction& tx, const TenantId& tenant, const IssuerId& id, const Sha256& code,
                         UtcTime now) {
  MUSTER_TRY(const auto redeemed, db::run(tx, kRedeem, {tenant, id, code, now}));
  if (redeemed.affected() == 0) return false;
  announce_anchor(tx, tenant, id);
  return true;
}

Result<bool> renew_code(db::Transaction& tx, const TenantId& tenant, const IssuerId& id, const Sha256& code,
                        UtcTime expires_at) {
  MUSTER_TRY(const auto renewed, db::run(tx, kRenewCode, {tenant, id, code, expires_at}));
  return renewed.affected() > 0;
}

Result<void> update_trust_anchor(db::Transaction& tx, const TrustAnchorRow& anchor) {
  const SelfRegistration& self = anchor.self_registration;
  const db::Array denied = texts_of(self.denied);
  MUSTER_TRY(const auto updated, db::run(tx, kUpdate,
                                         {anchor.tenant_id, anchor.id, to_string(anchor.status), self.enabled,
                                          self.max_devices, self.devices_per_minute, self.group, denied,
                                          to_string(anchor.expired_crl), anchor.crl.url, anchor.crl.fetch_seconds}));
  if (updated.affected() == 0) return not_found();
  announce_anchor(tx, anchor.tenant_id, anchor.id);
  return {};
}

Result<void> delete_trust_anchor(db::Transaction& tx, const TenantId& tenant, const IssuerId& id) {
  MUSTER_TRY(const auto buried, db::run(tx, kBury, {tenant, id}));
  if (buried.affected() == 0) return not_found();
  MUSTER_TRY_VOID(db::run(tx, kDropCrls, {tenant, id}));
  MUSTER_TRY_VOID(db::run(tx, kDropRevocations, {tenant, id}));
  MUSTER_TRY(const auto credentials, db::run(tx, kDropCredentials, {tenant, id}));
  announce_anchor(tx, tenant, id);
  for (std::size_t i = 0; i < credentials.size(); ++i) {
    announce(tx, EntityKind::kExternalCredential, tenant, credentials[i].bytes_view(0));
  }
  return {};
}

Result<bool> take_registration_turn(db::Transaction& tx, const TrustAnchorRow& anchor, UtcTime now) {
  MUSTER_TRY(const auto taken, db::run(tx, kTakeTurn, {anchor.tenant_id, anchor.id, now}));
  return taken.affected() > 0;
}

}  // namespace muster::registry
