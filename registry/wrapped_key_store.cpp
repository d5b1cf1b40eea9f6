// SPDX-License-Identifier: Apache-2.0
#include "registry/wrapped_key_store.h"

#include "db/statement.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

const std::string kColumns =
    "k.id, k.tenant_id, k.issuer_id, k.spki_sha256, coalesce(k.kek_id, ''), coalesce(k.blob, ''), k.store,"
    " coalesce(k.token_reference, '')";
const db::Statement kInsert{
    "insert_wrapped_key",
    "INSERT INTO muster.issuer_keys (id, tenant_id, issuer_id, spki_sha256, kek_id, blob, store, token_reference)"
    " VALUES ($1::uuid, $2::uuid, $3::uuid, $4::bytea, nullif($5, ''), nullif($6::bytea, ''), $7,"
    " nullif($8::bytea, ''))"};
const db::Statement kGet{"get_wrapped_key",
                         "SELECT " + kColumns + " FROM muster.issuer_keys AS k WHERE k.issuer_id = $1::uuid"};
const db::Statement kListOthers{"list_keys_not_under",
                                "SELECT " + kColumns +
                                    " FROM muster.issuer_keys AS k WHERE k.store = 'file' AND k.kek_id <> $1"
                                    " AND ($2::uuid IS NULL OR k.id > $2::uuid) ORDER BY k.id LIMIT $3::bigint"};
const db::Statement kRewrap{"rewrap_key",
                            "UPDATE muster.issuer_keys SET kek_id = $2, blob = $3::bytea"
                            " WHERE id = $1::uuid AND store = 'file' AND kek_id = $4"};
const db::Statement kCount{"count_keys",
                           "SELECT store, coalesce(kek_id, ''), count(*) FROM ("
                           "SELECT store, kek_id FROM muster.issuer_keys"
                           " UNION ALL SELECT 'file', kek_id FROM muster.heartbeat_key"
                           " UNION ALL SELECT 'file', kek_id FROM muster.transparency_key) AS keys"
                           " GROUP BY store, kek_id ORDER BY store, kek_id"};

const db::Statement kReferences{"list_token_references",
                                "SELECT k.token_reference FROM muster.issuer_keys AS k"
                                " WHERE k.token_reference IS NOT NULL ORDER BY k.token_reference"};

WrappedKey read(const db::Row& row) {
  return {row.id<KeyId>(0),    row.id_or_nil<TenantId>(1),
          row.id<IssuerId>(2), row.sha256(3),
          row.text(4),         row.bytes(5),
          row.text(6),         row.bytes(7)};
}

}  // namespace

Result<void> insert_wrapped_key(db::Transaction& tx, const WrappedKey& key) {
  MUSTER_TRY_VOID(db::run(tx, kInsert,
                          {key.id, db::Param::nullable(key.tenant_id), key.issuer_id, key.spki_sha256, key.kek_id,
                           key.blob, key.store, key.token_reference}));
  return {};
}

Result<WrappedKey> get_wrapped_key(db::Transaction& tx, const IssuerId& issuer) {
  MUSTER_TRY(const auto rows, db::run(tx, kGet, {issuer}));
  if (rows.empty()) return Error{ErrorCode::kNotFound, kIssuerNotFound, ""};
  return read(rows[0]);
}

Result<std::vector<WrappedKey>> list_keys_not_under(db::Transaction& tx, std::string_view kek_id, const KeyId& after,
                                                    std::size_t limit) {
  MUSTER_TRY(const auto rows,
             db::run(tx, kListOthers, {kek_id, db::Param::nullable(after), static_cast<std::int64_t>(limit)}));
  std::vector<WrappedKey> keys;
  for (std::size_t i = 0; i < rows.size(); ++i) keys.push_back(read(rows[i]));
  return keys;
}

Result<bool> rewrap_key(db::Transaction& tx, const WrappedKey& read, std::string_view kek_id, BytesView blob) {
  MUSTER_TRY(const auto rows, db::run(tx, kRewrap, {read.id, kek_id, blob, read.kek_id}));
  return rows.affected() == 1;
}

Result<std::vector<KeyCount>> count_keys(db::Transaction& tx) {
  MUSTER_TRY(const auto rows, db::run(tx, kCount));
  std::vector<KeyCount> counts;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    counts.push_back({rows[i].text(0), rows[i].text(1), rows[i].number(2)});
  }
  return counts;
}

Result<std::vector<Bytes>> list_token_references(db::Transaction& tx) {
  MUSTER_TRY(const auto rows, db::run(tx, kReferences));
  std::vector<Bytes> references;
  for (std::size_t i = 0; i < rows.size(); ++i) references.push_back(rows[i].bytes(0));
  return references;
}

}  // namespace muster::registry
