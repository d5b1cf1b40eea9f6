// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <set>
#include <unordered_map>

#include "db/statement.h"
#include "registry/entity_loader.h"
#include "registry/external_entity_loader.h"
#include "registry/grant_store.h"
#include "registry/json_text.h"
#include "registry/policy_rows.h"

namespace muster::registry {

namespace {

constexpr std::int64_t kPage = 5000;

// Columns of each kind.
const std::string kTenants =
    "SELECT t.id, t.name, t.status, t.default_policy_id, coalesce(a.groups, '{}'), coalesce(a.policies, '{}'), t.limits"
    " FROM muster.tenants AS t CROSS JOIN LATERAL (SELECT"
    "  array_agg(g.group_name ORDER BY g.group_name COLLATE \"C\") AS groups,"
    "  array_agg(g.policy_id ORDER BY g.group_name COLLATE \"C\") AS policies"
    "  FROM muster.group_policies AS g WHERE g.tenant_id = t.id) AS a ";
const std::string kIssuers =
    "SELECT i.id, i.tenant_id, i.status, i.spki_sha256, i.certificate FROM muster.issuers AS i ";
const std::string kPolicies =
    "SELECT p.id, p.tenant_id, p.status, " + policy_body_columns() + " FROM muster.policies AS p ";
const std::string kDeviceColumns =
    "SELECT d.id, d.tenant_id, d.name, d.status, d.policy_id, d.groups, " + pairs_sql("d.labels") + " FROM ";
const std::string kDevices = kDeviceColumns + "muster.devices AS d ";
const std::string kGrants =
    "SELECT g.device_id, g.on_device_id, g.actions, g.filters, g.max_qos, g.max_payload, o.name"
    " FROM muster.device_grants AS g JOIN muster.devices AS o ON o.tenant_id = g.tenant_id AND o.id = g.on_device_id"
    " WHERE ";
const std::string kCertificates =
    "SELECT c.id, c.tenant_id, c.device_id, c.issuer_id, c.status, c.not_after FROM muster.certificates AS c ";

const std::string kIds = " FROM unnest($1::uuid[], $2::uuid[]) AS u (tenant_id, id))";
const db::Statement kLoadTenants{"load_tenants", kTenants + "WHERE t.id = ANY ($2::uuid[]) AND $1::uuid[] IS NOT NULL"};
const db::Statement kLoadIssuers{"load_issuers",
                                 kIssuers + "WHERE (i.tenant_id, i.id) IN (SELECT u.tenant_id, u.id" + kIds};
const db::Statement kLoadPolicies{"load_policies",
                                  kPolicies + "WHERE (p.tenant_id, p.id) IN (SELECT u.tenant_id, u.id" + kIds};
// OFFSET 0 makes it one index look-up a row: the planner, asked for a join, may walk the whole tenant for each of them.
const db::Statement kLoadDevices{
    "load_devices",
    kDeviceColumns +
        "unnest($1::uuid[], $2::uuid[]) AS u (tenant_id, id) CROSS JOIN LATERAL"
        " (SELECT v.* FROM muster.devices AS v WHERE v.tenant_id = u.tenant_id AND v.id = u.id OFFSET 0)"
        " AS d"};
// Of the devices of a list, and of those of a page.
const db::Statement kLoadGrants{
    "load_grants", kGrants + "(g.tenant_id, g.device_id) IN (SELECT u.tenant_id, u.id" + kIds + " ORDER BY g.id"};
const db::Statement kEachGrant{"each_grant",
                               kGrants +
                                   "(g.tenant_id, g.device_id) >= ($1::uuid, $2::uuid)"
                                   " AND (g.tenant_id, g.device_id) <= ($3::uuid, $4::uuid) ORDER BY g.id"};
const db::Statement kLoadCertificates{
    "load_certificates",
    "SELECT c.id, c.tenant_id, c.device_id, c.issuer_id, c.status, c.not_after"
    " FROM unnest($1::uuid[], $2::bytea[]) AS u (tenant_id, id) CROSS JOIN LATERAL"
    " (SELECT v.* FROM muster.certificates AS v WHERE v.id = u.id AND v.tenant_id = u.tenant_id OFFSET 0) AS c"};

// Walks: $1 tenants or NULL, $2 the last page's end, $3 page size. What is gone is left out.
const db::Statement kEachTenant{"each_tenant",
                                kTenants +
                                    "WHERE t.status IN ('active', 'suspended') AND ($1::uuid[] IS NULL OR"
                                    " t.id = ANY ($1::uuid[])) AND t.id > $2::uuid ORDER BY t.id LIMIT $3::bigint"};
const db::Statement kEachIssuer{
    "each_issuer",
    kIssuers +
        "WHERE i.tenant_id IS NOT NULL AND i.status NOT IN ('requested', 'retired') AND ($1::uuid[] IS NULL"
        " OR i.tenant_id = ANY ($1::uuid[])) AND i.id > $2::uuid"
        " ORDER BY i.id LIMIT $3::bigint"};
const db::Statement kEachPolicy{"each_policy",
                                kPolicies +
                                    "WHERE p.status = 'active' AND ($1::uuid[] IS NULL OR p.tenant_id = ANY"
                                    " ($1::uuid[])) AND (p.tenant_id, p.id) > ($4::uuid, $2::uuid)"
                                    " ORDER BY p.tenant_id, p.id LIMIT $3::bigint"};
const db::Statement kEachDevice{"each_device",
                                kDevices +
                                    "WHERE d.status IN ('active', 'suspended') AND ($1::uuid[] IS NULL OR"
                                    " d.tenant_id = ANY ($1::uuid[])) AND (d.tenant_id, d.id) > ($4::uuid, $2::uuid)"
                                    " ORDER BY d.tenant_id, d.id LIMIT $3::bigint"};
const db::Statement kEachCertificate{"each_certificate",
                                     kCertificates +
                                         "WHERE c.status = 'active' AND c.not_after >= $4::timestamptz AND"
                                         " ($1::uuid[] IS NULL OR c.tenant_id = ANY ($1::uuid[]))"
                                         " AND c.id > $2::bytea ORDER BY c.id LIMIT $3::bigint"};

// Any status that is not one of the two known good ones is gone: deny is the default.
Standing standing_of(std::string_view status) {
  if (status == "active") return Standing::kActive;
  if (status == "suspended") return Standing::kSuspended;
  return Standing::kGone;
}

EntityFacts read_tenant(const db::Row& row) {
  TenantFacts tenant{row.id<TenantId>(0), row.text(1), standing_of(row.text_view(2))};
  tenant.policies.fallback = row.id_or_nil<PolicyId>(3);
  auto groups = row.texts(4);
  const auto policies = row.raw_ids(5);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    tenant.policies.groups.emplace_back(std::move(groups[i]), PolicyId{policies[i]});
  }
  tenant.limits = decode_tenant_limits(row.bytes_view(6)).value_or(TenantLimits{});  // only ours are written there
  return tenant;
}

// An issuer that is prepared or retiring vouches as an active one does; one that is requested or retired, or in a state
// that this code does not know, vouches for nobody.
EntityFacts read_issuer(const db::Row& row) {
  const auto status = row.text_view(2);
  const bool vouches = status == "prepare" || status == "active" || status == "retiring";
  const auto standing = vouches ? Standing::kActive : Standing::kGone;
  return IssuerFacts{row.id<IssuerId>(0), row.id<TenantId>(1), standing, row.sha256(3), row.bytes(4)};
}

EntityFacts read_policy(const db::Row& row) {
  PolicyBody body = read_policy_body(row, 3);
  return PolicyFacts{row.id<PolicyId>(0), row.id<TenantId>(1), standing_of(row.text_view(2)), std::move(body.rules),
                     body.limits};
}

EntityFacts read_device(const db::Row& row) {
  return DeviceFacts{row.id<DeviceId>(0),           row.id<TenantId>(1),        row.text(2),
                     standing_of(row.text_view(3)), row.id_or_nil<PolicyId>(4), row.texts(5),
                     to_pairs(row.texts(6))};
}

EntityFacts read_certificate(const db::Row& row) {
  return CertificateFacts{row.sha256(0),       row.id<TenantId>(1),           row.id<DeviceId>(2),
                          row.id<IssuerId>(3), standing_of(row.text_view(4)), row.time(5)};
}

void add_grants(const db::Rows& rows, std::span<EntityFacts> entities) {
  if (rows.empty()) return;
  std::unordered_map<DeviceId, DeviceFacts*> device_of;
  for (EntityFacts& entity : entities) {
    if (auto* device = std::get_if<DeviceFacts>(&entity)) device_of.emplace(device->id, device);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    const auto found = device_of.find(row.id<DeviceId>(0));
    if (found == device_of.end()) continue;
    GrantRule rule{actions_of(row.texts(2)),
                   {},
                   static_cast<std::uint8_t>(row.number(4)),
                   static_cast<std::uint32_t>(row.number(5))};
    for (std::string& filter : row.texts(3)) {
      rule.filter = std::move(filter);
      found->second->grants.push_back({row.id<DeviceId>(1), row.text(6), rule});
    }
  }
}

using ReadEntity = EntityFacts (*)(const db::Row&);

struct KindLoader {
  EntityKind kind;
  const db::Statement* load;
  ReadEntity read;
};
const std::array<KindLoader, 5> kLoaders{{{EntityKind::kTenant, &kLoadTenants, read_tenant},
                                          {EntityKind::kIssuer, &kLoadIssuers, read_issuer},
                                          {EntityKind::kPolicy, &kLoadPolicies, read_policy},
                                          {EntityKind::kDevice, &kLoadDevices, read_device},
                                          {EntityKind::kCertificate, &kLoadCertificates, read_certificate}}};

Result<void> load_kind(db::Transaction& tx, std::span<const ChangeRecord> changes, const KindLoader& loader,
                       std::vector<EntityFacts>& facts) {
  const bool is_hash = loader.kind == EntityKind::kCertificate;
  db::Array tenants(db::ElementType::kUuid);
  db::Array ids(is_hash ? db::ElementType::kBytes : db::ElementType::kUuid);
  std::set<Bytes> seen;
  for (const ChangeRecord& change : changes) {
    if (change.kind != loader.kind || !seen.insert(change.entity_id).second) continue;
    tenants.add(change.tenant_id);
    ids.add(BytesView(change.entity_id));
  }
  if (ids.size() == 0) return {};
  MUSTER_TRY(const auto rows, db::run(tx, *loader.load, {tenants, ids}));
  const std::size_t first = facts.size();
  for (std::size_t i = 0; i < rows.size(); ++i) facts.push_back(loader.read(rows[i]));
  if (loader.kind != EntityKind::kDevice) return {};
  MUSTER_TRY(const auto grants, db::run(tx, kLoadGrants, {tenants, ids}));
  add_grants(grants, std::span(facts).subspan(first));
  return {};
}

using Visit = std::function<Result<void>(const EntityFacts&)>;

// Tenants and issuers, whose key is their id.
Result<void> walk_by_id(db::Transaction& tx, const db::Statement& statement, const db::Param& tenants, ReadEntity read,
                        const Visit& visit) {
  RawId last;
  for (;;) {
    MUSTER_TRY(const auto rows, db::run(tx, statement, {tenants, last, kPage}));
    for (std::size_t i = 0; i < rows.size(); ++i) MUSTER_TRY_VOID(visit(read(rows[i])));
    if (static_cast<std::int64_t>(rows.size()) < kPage) return {};
    last = rows[rows.size() - 1].raw_id(0);
  }
}

// Policies and devices, whose key is (tenant, id).
Result<void> walk_by_tenant_and_id(db::Transaction& tx, const db::Statement& statement, const db::Param& tenants,
                                   ReadEntity read, const Visit& visit) {
  RawId last;
  RawId last_tenant;
  for (;;) {
    MUSTER_TRY(const auto rows, db::run(tx, statement, {tenants, last, kPage, last_tenant}));
    std::vector<EntityFacts> page;
    for (std::size_t i = 0; i < rows.size(); ++i) page.push_back(read(rows[i]));
    if (!page.empty() && std::holds_alternative<DeviceFacts>(page.front())) {
      const db::Row end = rows[rows.size() - 1];
      MUSTER_TRY(const auto grants,
                 db::run(tx, kEachGrant, {rows[0].raw_id(1), rows[0].raw_id(0), end.raw_id(1), end.raw_id(0)}));
      add_grants(grants, page);
    }
    for (const EntityFacts& entity : page) MUSTER_TRY_VOID(visit(entity));
    if (static_cast<std::int64_t>(rows.size()) < kPage) return {};
    last = rows[rows.size() - 1].raw_id(0);
    last_tenant = rows[rows.size() - 1].raw_id(1);
  }
}

Result<void> walk_certificates(db::Transaction& tx, const db::Param& tenants, UtcTime now, const Visit& visit) {
  Bytes last;
  for (;;) {
    MUSTER_TRY(const auto rows, db::run(tx, kEachCertificate, {tenants, last, kPage, now}));
    for (std::size_t i = 0; i < rows.size(); ++i) MUSTER_TRY_VOID(visit(read_certificate(rows[i])));
    if (static_cast<std::int64_t>(rows.size()) < kPage) return {};
    last = rows[rows.size() - 1].bytes(0);
  }
}

}  // namespace

Result<std::vector<EntityFacts>> load_changed(db::Transaction& tx, std::span<const ChangeRecord> changes) {
  std::vector<EntityFacts> facts;
  facts.reserve(changes.size());
  MUSTER_TRY_VOID(load_kind(tx, changes, kLoaders[0], facts));
  MUSTER_TRY_VOID(load_trust_anchors(tx, changes, facts));
  for (std::size_t i = 1; i < kLoaders.size(); ++i) MUSTER_TRY_VOID(load_kind(tx, changes, kLoaders[i], facts));
  MUSTER_TRY_VOID(load_external_credentials(tx, changes, facts));
  return facts;
}

Result<void> for_each_entity(db::Transaction& tx, std::span<const TenantId> tenants, UtcTime now, const Visit& visit) {
  db::Array ids(db::ElementType::kUuid);
  for (const TenantId& tenant : tenants) ids.add(tenant);
  const db::Param wanted = tenants.empty() ? db::Param(nullptr) : db::Param(ids);
  MUSTER_TRY_VOID(walk_by_id(tx, kEachTenant, wanted, read_tenant, visit));
  MUSTER_TRY_VOID(walk_by_id(tx, kEachIssuer, wanted, read_issuer, visit));
  MUSTER_TRY_VOID(walk_trust_anchors(tx, wanted, visit));
  MUSTER_TRY_VOID(walk_by_tenant_and_id(tx, kEachPolicy, wanted, read_policy, visit));
  MUSTER_TRY_VOID(walk_by_tenant_and_id(tx, kEachDevice, wanted, read_device, visit));
  MUSTER_TRY_VOID(walk_certificates(tx, wanted, now, visit));
  return walk_external_credentials(tx, wanted, visit);
}

}  // namespace muster::registry
