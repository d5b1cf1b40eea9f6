// SPDX-License-Identifier: Apache-2.0
#include "registry/batch_store.h"

#include "db/reasons.h"
#include "db/statement.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

const std::string kColumns = "id, tenant_id, created_by, created_at, status, lines";
const db::Statement kInsert{
    "insert_batch", "INSERT INTO muster.batches (tenant_id, created_by) VALUES ($1::uuid, $2) RETURNING " + kColumns};
const db::Statement kGet{"get_batch",
                         "SELECT " + kColumns + " FROM muster.batches WHERE tenant_id = $1::uuid AND id = $2::uuid"};
const db::Statement kAppend{
    "append_batch_results",
    "INSERT INTO muster.batch_results (tenant_id, batch_id, line, result) SELECT $1::uuid, $2::uuid, u.line, u.result"
    " FROM unnest($3::bigint[], $4::text[]) AS u (line, result) ON CONFLICT DO NOTHING"};
const db::Statement kAppendCertificates{
    "append_batch_certificates",
    "INSERT INTO muster.batch_certificates (tenant_id, batch_id, first_line, lines, certificate_ids)"
    " VALUES ($1::uuid, $2::uuid, $3::bigint, $4::bigint[], $5::bytea[])"};
const db::Statement kFinish{
    "finish_batch",
    "UPDATE muster.batches SET status = 'done',"
    " lines = (SELECT count(*) FROM muster.batch_results WHERE tenant_id = $1::uuid AND batch_id = $2::uuid)"
    "  + (SELECT coalesce(sum(cardinality(c.lines)), 0) FROM muster.batch_certificates AS c"
    "   WHERE c.tenant_id = $1::uuid AND c.batch_id = $2::uuid) WHERE tenant_id = $1::uuid AND id = $2::uuid"};
const db::Statement kRead{
    "read_batch_results",
    "SELECT u.line, NULL, c.id, d.name, c.issuer_id, c.serial, c.certificate, c.not_after"
    " FROM (SELECT n.line, n.id FROM muster.batch_certificates AS g"
    "   CROSS JOIN LATERAL unnest(g.lines, g.certificate_ids) AS n (line, id)"
    "   WHERE g.tenant_id = $1::uuid AND g.batch_id = $2::uuid AND n.line > $3::bigint"
    "   ORDER BY n.line LIMIT $4::bigint) AS u"
    "  CROSS JOIN LATERAL (SELECT s.* FROM muster.certificates AS s WHERE s.id = u.id AND s.tenant_id = $1::uuid"
    "   OFFSET 0) AS c"
    "  JOIN muster.devices AS d ON d.tenant_id = c.tenant_id AND d.id = c.device_id"
    " UNION ALL (SELECT r.line, r.result, NULL, NULL, NULL, NULL, NULL, NULL FROM muster.batch_results AS r"
    "  WHERE r.tenant_id = $1::uuid AND r.batch_id = $2::uuid AND r.line > $3::bigint"
    "  ORDER BY r.line LIMIT $4::bigint) ORDER BY 1 LIMIT $4::bigint"};
const db::Statement kPrune{"prune_batches", "DELETE FROM muster.batches WHERE created_at < $1::timestamptz"};

Batch read(const db::Row& row) {
  return {row.id<BatchId>(0),
          row.id<TenantId>(1),
          row.text(2),
          row.time(3),
          row.text_view(4) == "done" ? BatchStatus::kDone : BatchStatus::kRunning,
          static_cast<std::uint64_t>(row.number(5))};
}

StoredBatchResult read_result(const db::Row& row) {
  StoredBatchResult result;
  result.line = static_cast<std::uint64_t>(row.number(0));
  if (row.is_null(1)) {
    result.issued = {row.sha256(2), row.text(3), row.id<IssuerId>(4), row.bytes(5), row.bytes(6), row.time(7)};
  } else {
    result.json = row.text(1);
  }
  return result;
}

Error not_found() { return {ErrorCode::kNotFound, kBatchNotFound, ""}; }

// A batch that is not there, and one of another tenant, look the same.
Result<void> stored(db::Transaction& tx, const Result<db::Rows>& inserted) {
  if (inserted.ok()) return {};
  const bool unknown = db::violated_constraint(tx).ends_with("_batch_known");
  return unknown || inserted.error().reason == db::kDatabaseValueRefused ? not_found() : inserted.error();
}

}  // namespace

Result<Batch> create_batch(db::Transaction& tx, const TenantId& tenant, std::string_view created_by) {
  MUSTER_TRY(const auto rows, db::run(tx, kInsert, {tenant, created_by}));
  return read(rows[0]);
}

Result<Batch> get_batch(db::Transaction& tx, const TenantId& tenant, const BatchId& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kGet, {tenant, id}));
  if (rows.empty()) return not_found();
  return read(rows[0]);
}

Result<void> append_batch_results(db::Transaction& tx, const TenantId& tenant, const BatchId& id,
                                  std::span<const BatchResult> results) {
  db::Array lines(db::ElementType::kInt64);
  db::Array texts(db::ElementType::kText);
  for (const BatchResult& result : results) {
    lines.add(static_cast<std::int64_t>(result.line));
    texts.add_text(result.json);
  }
  return stored(tx, db::run(tx, kAppend, {tenant, id, lines, texts}));
}

Result<void> append_batch_certificates(db::Transaction& tx, const TenantId& tenant, const BatchId& id,
                                       std::span<const BatchCertificate> certificates) {
  if (certificates.empty()) return {};
  db::Array lines(db::ElementType::kInt64);
  db::Array ids(db::ElementType::kBytes);
  for (const BatchCertificate& certificate : certificates) {
    lines.add(static_cast<std::int64_t>(certificate.line));
    ids.add(certificate.id);
  }
  return stored(tx, db::run(tx, kAppendCertificates, {tenant, id, certificates.front().line, lines, ids}));
}

Result<void> finish_batch(db::Transaction& tx, const TenantId& tenant, const BatchId& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kFinish, {tenant, id}));
  if (rows.affected() == 0) return not_found();
  return {};
}

Result<std::vector<StoredBatchResult>> read_batch_results(db::Transaction& tx, const TenantId& tenant,
                                                          const BatchId& id, std::uint64_t after, std::size_t limit) {
  MUSTER_TRY(const auto rows, db::run(tx, kRead, {tenant, id, after, limit}));
  std::vector<StoredBatchResult> results;
  results.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) results.push_back(read_result(rows[i]));
  return results;
}

Result<std::size_t> prune_batches(db::Transaction& tx, UtcTime before) {
  MUSTER_TRY(const auto rows, db::run(tx, kPrune, {before}));
  return rows.affected();
}

}  // namespace muster::registry
