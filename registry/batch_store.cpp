// SPDX-License-Identifier: Apache-2.0
#include "registry/batch_store.h"

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
    "WITH stored AS (INSERT INTO muster.batch_results (tenant_id, batch_id, line, result)"
    "  SELECT $1::uuid, b.id, u.line, u.result FROM muster.batches AS b,"
    "   unnest($3::bigint[], $4::text[]) AS u (line, result) WHERE b.tenant_id = $1::uuid AND b.id = $2::uuid"
    "  ON CONFLICT DO NOTHING RETURNING line)"
    " UPDATE muster.batches SET lines = lines + (SELECT count(*) FROM stored)"
    " WHERE tenant_id = $1::uuid AND id = $2::uuid"};
const db::Statement kFinish{"finish_batch",
                            "UPDATE muster.batches SET status = 'done' WHERE tenant_id = $1::uuid AND id = $2::uuid"};
const db::Statement kRead{"read_batch_results",
                          "SELECT line, result FROM muster.batch_results WHERE tenant_id = $1::uuid"
                          " AND batch_id = $2::uuid AND line > $3::bigint ORDER BY line LIMIT $4::bigint"};
const db::Statement kPrune{"prune_batches", "DELETE FROM muster.batches WHERE created_at < $1::timestamptz"};

Batch read(const db::Row& row) {
  return {row.id<BatchId>(0),
          row.id<TenantId>(1),
          row.text(2),
          row.time(3),
          row.text_view(4) == "done" ? BatchStatus::kDone : BatchStatus::kRunning,
          static_cast<std::uint64_t>(row.number(5))};
}

Error not_found() { return {ErrorCode::kNotFound, kBatchNotFound, ""}; }

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
  MUSTER_TRY(const auto rows, db::run(tx, kAppend, {tenant, id, lines, texts}));
  if (rows.affected() == 0) return not_found();
  return {};
}

Result<void> finish_batch(db::Transaction& tx, const TenantId& tenant, const BatchId& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kFinish, {tenant, id}));
  if (rows.affected() == 0) return not_found();
  return {};
}

Result<std::vector<BatchResult>> read_batch_results(db::Transaction& tx, const TenantId& tenant, const BatchId& id,
                                                    std::uint64_t after, std::size_t limit) {
  MUSTER_TRY(const auto rows, db::run(tx, kRead, {tenant, id, after, limit}));
  std::vector<BatchResult> results;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    results.push_back({static_cast<std::uint64_t>(rows[i].number(0)), rows[i].text(1)});
  }
  return results;
}

Result<std::size_t> prune_batches(db::Transaction& tx, UtcTime before) {
  MUSTER_TRY(const auto rows, db::run(tx, kPrune, {before}));
  return rows.affected();
}

}  // namespace muster::registry
