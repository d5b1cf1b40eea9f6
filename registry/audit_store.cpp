// SPDX-License-Identifier: Apache-2.0
#include "registry/audit_store.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "core/encoding.h"
#include "db/statement.h"
#include "registry/audit_chain.h"
#include "registry/cursor.h"
#include "registry/json_text.h"
#include "registry/name_lookup.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

constexpr EnumNames<AuditOutcome, 3> kOutcomeNames{
    {{AuditOutcome::kSuccess, "success"}, {AuditOutcome::kRefused, "refused"}, {AuditOutcome::kFailed, "failed"}}};
constexpr EnumNames<AuditField, 22> kFieldNames{{{AuditField::kReason, "reason"},
                                                 {AuditField::kRequestId, "request_id"},
                                                 {AuditField::kSourceAddress, "source_address"},
                                                 {AuditField::kCertificateId, "certificate_id"},
                                                 {AuditField::kSerial, "serial"},
                                                 {AuditField::kIssuerId, "issuer_id"},
                                                 {AuditField::kOldKey, "old_key"},
                                                 {AuditField::kNewKey, "new_key"},
                                                 {AuditField::kProfile, "profile"},
                                                 {AuditField::kNotAfter, "not_after"},
                                                 {AuditField::kRevocationReason, "revocation_reason"},
                                                 {AuditField::kStatus, "status"},
                                                 {AuditField::kPolicy, "policy"},
                                                 {AuditField::kRole, "role"},
                                                 {AuditField::kName, "name"},
                                                 {AuditField::kCount, "count"},
                                                 {AuditField::kTopic, "topic"},
                                                 {AuditField::kEdge, "edge"},
                                                 {AuditField::kBatch, "batch"},
                                                 {AuditField::kDetail, "detail"},
                                                 {AuditField::kOldValue, "old"},
                                                 {AuditField::kNewValue, "new"}}};
constexpr std::size_t kMaxAuditText = 256;
constexpr std::size_t kVerifyPage = 1000;

const db::Statement kAppend{
    "append_audit_events",
    "WITH stored AS (INSERT INTO muster.audit_events (tenant_id, at, actor, action, target, target_name, outcome, "
    "detail)"
    "  SELECT u.tenant_id, u.at, u.actor, u.action, u.target, u.target_name, u.outcome, u.detail::jsonb"
    "  FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], "
    "$8::text[])"
    "   AS u (tenant_id, at, actor, action, target, target_name, outcome, detail) RETURNING id)"
    " INSERT INTO muster.audit_unchained (event_id, event_ids) SELECT min(s.id), array_agg(s.id) FROM stored AS s"};

const std::string kColumns =
    "e.id, e.at, e.tenant_id, e.actor, e.action, e.target, e.target_name, e.outcome, " + pairs_sql("e.detail");
const std::string kSelect = "SELECT " + kColumns +
                            ", c.sequence, t.name FROM muster.audit_events AS e"
                            " LEFT JOIN muster.audit_chain AS c ON c.event_id = e.id"
                            " LEFT JOIN muster.tenants AS t ON t.id = e.tenant_id ";
const std::string kNewestFirst = " ORDER BY e.id DESC LIMIT $2::bigint";
const db::Statement kListAll{"list_audit_events", kSelect + "WHERE e.id < $1::bigint" + kNewestFirst};
const db::Statement kListTenant{"list_tenant_audit_events",
                                kSelect + "WHERE e.id < $1::bigint AND e.tenant_id = $3::uuid" + kNewestFirst};

const db::Statement kSequencerLock{"lock_sequencer", "SELECT pg_advisory_xact_lock(7021788553)"};
const db::Statement kUnchained{
    "unchained_audit_events",
    "SELECT " + kColumns +
        ", g.event_id FROM (SELECT n.event_id, coalesce(n.event_ids, ARRAY[n.event_id]) AS event_ids,"
        "   sum(coalesce(cardinality(n.event_ids), 1)) OVER (ORDER BY n.event_id) AS through"
        "   FROM muster.audit_unchained AS n ORDER BY n.event_id LIMIT $1::bigint) AS g"
        "  CROSS JOIN LATERAL unnest(g.event_ids) AS u (id)"
        "  CROSS JOIN LATERAL (SELECT v.* FROM muster.audit_events AS v WHERE v.id = u.id OFFSET 0) AS e"
        " WHERE g.through - cardinality(g.event_ids) < $1::bigint ORDER BY e.id"};
const db::Statement kHeads{"audit_chain_heads",
                           "SELECT u.tenant_id, h.sequence, h.hash FROM unnest($1::uuid[]) AS u (tenant_id),"
                           " LATERAL (SELECT c.sequence, c.hash FROM muster.audit_chain AS c"
                           "  WHERE c.tenant_id = u.tenant_id ORDER BY c.sequence DESC LIMIT 1) AS h"};
const db::Statement kChain{
    "chain_audit_events",
    "WITH done AS (DELETE FROM muster.audit_unchained WHERE event_id = ANY ($6::bigint[]))"
    " INSERT INTO muster.audit_chain (tenant_id, sequence, event_id, encoding_version, hash)"
    " SELECT u.tenant_id, u.sequence, u.event_id, $5::smallint, u.hash"
    " FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[]) AS u (tenant_id, sequence, event_id, hash)"};
const db::Statement kVerify{"verify_audit_chain",
                            "SELECT " + kColumns +
                                ", c.sequence, c.hash, c.encoding_version, c.tenant_id FROM muster.audit_chain AS c"
                                " LEFT JOIN muster.audit_events AS e ON e.id = c.event_id"
                                " WHERE c.tenant_id = $1::uuid AND c.sequence > $2::bigint"
                                " ORDER BY c.sequence LIMIT $3::bigint"};

// An event is never refused for what is in it: what PostgreSQL would not store as text is replaced.
std::string clean(std::string_view text, std::size_t limit) {
  std::string cleaned(text.substr(0, limit));
  if (text.size() > limit) {  // not in the middle of a character
    while (!cleaned.empty() && !is_utf8(cleaned) && (cleaned.back() & 0x80) != 0) cleaned.pop_back();
  }
  const bool valid = is_utf8(cleaned);
  for (char& c : cleaned) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f || (!valid && octet >= 0x80)) c = '?';
  }
  return cleaned;
}

std::string detail_json(const AuditEvent& event) {
  TextPairs pairs;
  pairs.reserve(event.detail.size());
  for (const auto& [field, value] : event.detail) pairs.emplace_back(to_string(field), clean(value, kMaxAuditValue));
  return to_json_object(pairs);
}

AuditRow read(const db::Row& row) {
  AuditRow event;
  event.id = static_cast<std::uint64_t>(row.number(0));
  event.at = row.micros(1);
  event.tenant_id = row.id<TenantId>(2);
  event.actor = row.text(3);
  event.action = row.text(4);
  event.target = row.text(5);
  event.target_name = row.text(6);
  event.outcome = stored_value(kOutcomeNames, row.text_view(7));
  event.detail = to_pairs(row.texts(8));
  return event;
}

using Heads = std::map<TenantId, ChainState>;

Result<Heads> read_heads(db::Transaction& tx, const std::vector<AuditRow>& events) {
  Heads heads;
  for (const AuditRow& event : events) heads.try_emplace(event.tenant_id);
  db::Array tenants(db::ElementType::kUuid);
  for (const auto& [tenant, head] : heads) tenants.add(tenant);
  MUSTER_TRY(const auto rows, db::run(tx, kHeads, {tenants}));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    heads[rows[i].id<TenantId>(0)] = {static_cast<std::uint64_t>(rows[i].number(1)), rows[i].sha256(2)};
  }
  return heads;
}

Error broken(std::uint64_t sequence) {
  return {ErrorCode::kCorrupt, kAuditChainBroken, "at sequence " + std::to_string(sequence)};
}

// Checks one row of the chain against its event and moves `state` past it.
Result<void> verify_link(const db::Row& row, ChainState& state) {
  const std::uint64_t expected = state.length + 1;
  const bool in_order = static_cast<std::uint64_t>(row.number(9)) == expected;
  if (!in_order || row.is_null(0) || row.number(11) != kAuditEncodingVersion) return broken(expected);
  AuditRow event = read(row);
  event.sequence = expected;
  const Sha256 hash = chain_hash(state.head, encode_audit_row(event));
  if (hash != row.sha256(10) || event.tenant_id != row.id<TenantId>(12)) return broken(expected);
  state = {expected, hash};
  return {};
}

}  // namespace

std::string_view to_string(AuditOutcome outcome) { return name_of(kOutcomeNames, outcome); }
std::string_view to_string(AuditField field) { return name_of(kFieldNames, field); }

Result<void> append_audit_event(db::Transaction& tx, const AuditEvent& event) {
  return append_audit_events(tx, {&event, 1});
}

Result<void> append_audit_events(db::Transaction& tx, std::span<const AuditEvent> events) {
  if (events.empty()) return {};
  db::Array tenants(db::ElementType::kUuid);
  db::Array times(db::ElementType::kTimestamp);
  db::Array actors(db::ElementType::kText);
  db::Array actions(db::ElementType::kText);
  db::Array targets(db::ElementType::kText);
  db::Array names(db::ElementType::kText);
  db::Array outcomes(db::ElementType::kText);
  db::Array details(db::ElementType::kText);
  for (const AuditEvent& event : events) {
    tenants.add(event.tenant_id);
    times.add(db::to_database_micros(event.at));
    actors.add_text(clean(event.actor, kMaxAuditText));
    actions.add_text(event.action);
    targets.add_text(clean(event.target, kMaxAuditText));
    names.add_text(clean(event.target_name, kMaxAuditText));
    outcomes.add_text(to_string(event.outcome));
    details.add_text(detail_json(event));
  }
  return db::send(tx, kAppend, {tenants, times, actors, actions, targets, names, outcomes, details});
}

Result<Page<AuditRow>> list_audit_events(db::Transaction& tx, const AuditFilter& filter, const PageRequest& page) {
  MUSTER_TRY(const std::int64_t before, decode_number_cursor(page.cursor, std::numeric_limits<std::int64_t>::max()));
  const std::size_t limit = page_size(page);
  MUSTER_TRY(const auto rows, filter.tenant_id ? db::run(tx, kListTenant, {before, limit + 1, *filter.tenant_id})
                                               : db::run(tx, kListAll, {before, limit + 1}));
  std::vector<AuditRow> items;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    items.push_back(read(rows[i]));
    if (!rows[i].is_null(9)) items.back().sequence = static_cast<std::uint64_t>(rows[i].number(9));
    items.back().tenant_name = rows[i].text_or_empty(10);
  }
  return finish_page(std::move(items), limit, [](const AuditRow& row) { return std::to_string(row.id); });
}

Result<std::size_t> chain_audit_events(db::Transaction& tx, std::size_t limit) {
  MUSTER_TRY_VOID(db::run(tx, kSequencerLock));
  MUSTER_TRY(const auto rows, db::run(tx, kUnchained, {limit}));
  if (rows.empty()) return std::size_t{0};
  std::vector<AuditRow> events;
  std::set<std::int64_t> groups;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    events.push_back(read(rows[i]));
    groups.insert(rows[i].number(9));
  }
  db::Array done(db::ElementType::kInt64);
  for (const std::int64_t group : groups) done.add(group);
  MUSTER_TRY(Heads heads, read_heads(tx, events));
  db::Array tenants(db::ElementType::kUuid);
  db::Array sequences(db::ElementType::kInt64);
  db::Array ids(db::ElementType::kInt64);
  db::Array hashes(db::ElementType::kBytes);
  for (AuditRow& event : events) {
    ChainState& head = heads[event.tenant_id];
    event.sequence = head.length + 1;
    head = {*event.sequence, chain_hash(head.head, encode_audit_row(event))};
    tenants.add(event.tenant_id);
    sequences.add(static_cast<std::int64_t>(*event.sequence));
    ids.add(static_cast<std::int64_t>(event.id));
    hashes.add(head.head);
  }
  MUSTER_TRY_VOID(db::run(tx, kChain, {tenants, sequences, ids, hashes, kAuditEncodingVersion, done}));
  return events.size();
}

Result<ChainState> verify_audit_chain(db::Transaction& tx, const TenantId& tenant) {
  ChainState state;
  for (;;) {
    MUSTER_TRY(const auto rows, db::run(tx, kVerify, {tenant, state.length, kVerifyPage}));
    for (std::size_t i = 0; i < rows.size(); ++i) MUSTER_TRY_VOID(verify_link(rows[i], state));
    if (rows.size() < kVerifyPage) return state;
  }
}

}  // namespace muster::registry
