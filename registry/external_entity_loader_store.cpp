// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "registry/external_entity_loader.h"

namespace muster::registry {

namespace {

constexpr std::int64_t kPage = 5000;
constexpr std::int64_t kAnchorPage = 50;  // one may carry megabytes of revocations

const std::string kAnchors =
    "SELECT a.id, a.tenant_id, a.status, a.spki_sha256, a.certificate, a.intermediates, a.device_id_from,"
    " a.device_id_prefix, a.self_registration, a.expired_crl = 'fail-closed', a.crl_url FROM muster.trust_anchors AS "
    "a ";
const db::Statement kLoadAnchors{"load_trust_anchors",
                                 kAnchors +
                                     "WHERE (a.tenant_id, a.id) IN (SELECT u.tenant_id, u.id"
                                     " FROM unnest($1::uuid[], $2::uuid[]) AS u (tenant_id, id))"};
const db::Statement kEachAnchor{
    "each_trust_anchor", kAnchors +
                             "WHERE a.status IN ('active', 'no-new-devices', 'suspended') AND ($1::uuid[] IS NULL"
                             " OR a.tenant_id = ANY ($1::uuid[])) AND a.id > $2::uuid ORDER BY a.id LIMIT $3::bigint"};
const db::Statement kCrls{"load_anchor_crls",
                          "SELECT issuer_key, next_update, revoked FROM muster.external_crls"
                          " WHERE tenant_id = $1::uuid AND anchor_id = $2::uuid ORDER BY issuer_key, next_update"};
const db::Statement kRevocations{"load_anchor_revocations",
                                 "SELECT certificate_id FROM muster.external_revocations"
                                 " WHERE tenant_id = $1::uuid AND anchor_id = $2::uuid ORDER BY certificate_id"};
const std::string kCredentials =
    "SELECT c.id, c.tenant_id, c.device_id, c.anchor_id FROM muster.external_credentials AS c ";
const db::Statement kLoadCredentials{"load_external_credentials",
                                     kCredentials +
                                         "WHERE (c.tenant_id, c.id) IN (SELECT u.tenant_id, u.id"
                                         " FROM unnest($1::uuid[], $2::bytea[]) AS u (tenant_id, id))"};
const db::Statement kEachCredential{
    "each_external_credential",
    kCredentials +
        "WHERE ($1::uuid[] IS NULL OR c.tenant_id = ANY ($1::uuid[]))"
        " AND (c.tenant_id, c.id) > ($2::uuid, $3::bytea) ORDER BY c.tenant_id, c.id LIMIT $4::bigint"};

// Deny is the default: unverified, revoked, deleted and whatever may come are gone.
Standing standing_of(std::string_view status) {
  if (status == "active" || status == "no-new-devices") return Standing::kActive;
  if (status == "suspended") return Standing::kSuspended;
  return Standing::kGone;
}

Result<TrustAnchorFacts> read_anchor(db::Transaction& tx, const db::Row& row) {
  TrustAnchorFacts anchor;
  anchor.id = row.id<IssuerId>(0);
  anchor.tenant_id = row.id<TenantId>(1);
  anchor.standing = standing_of(row.text_view(2));
  anchor.spki_sha256 = row.sha256(3);
  anchor.certificate = row.bytes(4);
  anchor.intermediates = row.byte_strings(5);
  const auto source = parse_device_id_source(row.text_view(6));
  if (!source) std::abort();  // a CHECK constraint allows nothing else
  anchor.source = *source;
  anchor.prefix = row.text(7);
  anchor.registers_devices = row.boolean(8) && row.text_view(2) == "active";
  anchor.fail_closed = row.boolean(9);
  anchor.uses_crls = !row.text_view(10).empty();
  if (anchor.standing == Standing::kGone) return anchor;
  MUSTER_TRY(const auto crls, db::run(tx, kCrls, {anchor.tenant_id, anchor.id}));
  for (std::size_t i = 0; i < crls.size(); ++i) {
    const Sha256 issuer = crls[i].sha256(0);
    if (anchor.crls.empty() || anchor.crls.back().issuer_key != issuer) {
      anchor.crls.push_back({issuer, crls[i].time(1)});
    }
    const BytesView revoked = crls[i].bytes_view(2);
    anchor.revoked.insert(anchor.revoked.end(), revoked.begin(), revoked.end());
  }
  anchor.uses_crls = anchor.uses_crls || crls.size() > 0;
  MUSTER_TRY(const auto revocations, db::run(tx, kRevocations, {anchor.tenant_id, anchor.id}));
  for (std::size_t i = 0; i < revocations.size(); ++i) anchor.revoked_certificates.push_back(revocations[i].sha256(0));
  return anchor;
}

ExternalCredentialFacts read_credential(const db::Row& row) {
  return {row.sha256(0), row.id<TenantId>(1), row.id<DeviceId>(2), row.id<IssuerId>(3), Standing::kActive};
}

// (tenant, entity) of the changes of one kind, each once.
std::set<std::pair<TenantId, Bytes>> named(std::span<const ChangeRecord> changes, EntityKind kind) {
  std::set<std::pair<TenantId, Bytes>> names;
  for (const ChangeRecord& change : changes) {
    if (change.kind == kind) names.emplace(change.tenant_id, change.entity_id);
  }
  return names;
}

}  // namespace

Result<void> load_trust_anchors(db::Transaction& tx, std::span<const ChangeRecord> changes,
                                std::vector<EntityFacts>& facts) {
  db::Array tenants(db::ElementType::kUuid);
  db::Array ids(db::ElementType::kUuid);
  for (const auto& [tenant, id] : named(changes, EntityKind::kTrustAnchor)) {
    tenants.add(tenant);
    ids.add(BytesView(id));
  }
  if (ids.size() == 0) return {};
  MUSTER_TRY(const auto rows, db::run(tx, kLoadAnchors, {tenants, ids}));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    MUSTER_TRY(auto anchor, read_anchor(tx, rows[i]));
    facts.push_back(std::move(anchor));
  }
  return {};
}

Result<void> load_external_credentials(db::Transaction& tx, std::span<const ChangeRecord> changes,
                                       std::vector<EntityFacts>& facts) {
  auto wanted = named(changes, EntityKind::kExternalCredential);
  if (wanted.empty()) return {};
  db::Array tenants(db::ElementType::kUuid);
  db::Array ids(db::ElementType::kBytes);
  for (const auto& [tenant, id] : wanted) {
    tenants.add(tenant);
    ids.add(BytesView(id));
  }
  MUSTER_TRY(const auto rows, db::run(tx, kLoadCredentials, {tenants, ids}));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    wanted.erase({rows[i].id<TenantId>(1), rows[i].bytes(0)});
    facts.emplace_back(read_credential(rows[i]));
  }
  // Rows that were removed have no state but this one.
  for (const auto& [tenant, id] : wanted) {
    ExternalCredentialFacts gone;
    std::copy_n(id.begin(), std::min(id.size(), gone.id.size()), gone.id.begin());
    gone.tenant_id = tenant;
    facts.emplace_back(gone);
  }
  return {};
}

Result<void> walk_trust_anchors(db::Transaction& tx, const db::Param& tenants,
                                const std::function<Result<void>(const EntityFacts&)>& visit) {
  RawId last;
  for (;;) {
    MUSTER_TRY(const auto rows, db::run(tx, kEachAnchor, {tenants, last, kAnchorPage}));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      MUSTER_TRY(auto anchor, read_anchor(tx, rows[i]));
      MUSTER_TRY_VOID(visit(EntityFacts{std::move(anchor)}));
    }
    if (static_cast<std::int64_t>(rows.size()) < kAnchorPage) return {};
    last = rows[rows.size() - 1].raw_id(0);
  }
}

Result<void> walk_external_credentials(db::Transaction& tx, const db::Param& tenants,
                                       const std::function<Result<void>(const EntityFacts&)>& visit) {
  RawId last_tenant;
  Bytes last;
  for (;;) {
    MUSTER_TRY(const auto rows, db::run(tx, kEachCredential, {tenants, last_tenant, last, kPage}));
    for (std::size_t i = 0; i < rows.size(); ++i) MUSTER_TRY_VOID(visit(read_credential(rows[i])));
    if (static_cast<std::int64_t>(rows.size()) < kPage) return {};
    last_tenant = rows[rows.size() - 1].raw_id(1);
    last = rows[rows.size() - 1].bytes(0);
  }
}

}  // namespace muster::registry
