// SPDX-License-Identifier: Apache-2.0
#include "db/migrator.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>

#include "core/file.h"
#include "db/connection.h"
#include "db/reasons.h"

namespace muster::db {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestFile = 1 << 20;
constexpr std::string_view kNoTransaction = "-- migrate: no-transaction";
constexpr std::string_view kUp = ".up.sql";
constexpr std::string_view kDown = ".down.sql";

constexpr const char* kCreateTable =
    "CREATE TABLE IF NOT EXISTS public.schema_migrations ("
    " number integer CONSTRAINT schema_migrations_pkey PRIMARY KEY,"
    " name text NOT NULL,"
    " checksum text NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now())";
// The key is "muster" in ASCII. Session-level: held over all files.
constexpr const char* kLock = "SELECT pg_catalog.pg_advisory_lock(120299105805682)";
constexpr const char* kApplied = "SELECT number, name, checksum FROM public.schema_migrations ORDER BY number";
constexpr const char* kChecksum = "SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')";
constexpr const char* kRecord =
    "INSERT INTO public.schema_migrations (number, name, checksum)"
    " VALUES ($1::integer, $2, encode(sha256(convert_to($3, 'UTF8')), 'hex'))";
constexpr const char* kForget = "DELETE FROM public.schema_migrations WHERE number = $1::integer";

struct Applied {
  std::string name;
  std::string checksum;
};

Error folder_error(const std::string& detail) { return {ErrorCode::kInvalidArgument, kMigrationFolderInvalid, detail}; }

// "0007_add_x.up.sql" → 7 and "add_x"; name stays empty where the form is another.
Migration parse_name(std::string_view stem) {
  Migration migration;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (stem.size() < 6 || stem[4] != '_' || !std::all_of(stem.begin(), stem.begin() + 4, is_digit)) return migration;
  for (const char c : stem.substr(0, 4)) migration.number = migration.number * 10 + (c - '0');
  migration.name = stem.substr(5);
  return migration;
}

Result<std::string> read_text(const fs::path& path) {
  MUSTER_TRY(const Bytes bytes, read_file(path.string(), kLargestFile));
  return std::string(as_text(bytes));
}

Result<Migration> read_migration(const fs::path& up_file) {
  const std::string file = up_file.filename().string();
  const std::string stem = file.substr(0, file.size() - kUp.size());
  Migration migration = parse_name(stem);
  if (migration.name.empty() || migration.number == 0) return folder_error(file + ": not NNNN_name.up.sql");
  const fs::path down_file = up_file.parent_path() / (stem + std::string(kDown));
  if (!fs::exists(down_file)) return folder_error(file + ": no .down.sql beside it");
  MUSTER_TRY(migration.up, read_text(up_file));
  MUSTER_TRY(migration.down, read_text(down_file));
  return migration;
}

Result<ResultPtr> run_text(Connection& connection, const char* sql, std::initializer_list<std::string_view> values) {
  std::vector<ParameterView> views;
  for (const std::string_view value : values) views.push_back({value.data(), static_cast<int>(value.size()), 0});
  MUSTER_TRY_VOID(connection.queue_prepared(sql, sql, views));
  return connection.run_queued();
}

Result<std::map<int, Applied>> read_applied(Connection& connection) {
  MUSTER_TRY(const ResultPtr rows, connection.execute(kApplied));
  std::map<int, Applied> applied;
  for (int i = 0; i < PQntuples(rows.get()); ++i) {
    applied[std::atoi(PQgetvalue(rows.get(), i, 0))] = {PQgetvalue(rows.get(), i, 1), PQgetvalue(rows.get(), i, 2)};
  }
  return applied;
}

// Every applied file must be in the folder as it was when it was applied.
Result<void> verify(Connection& connection, const std::vector<Migration>& migrations,
                    const std::map<int, Applied>& applied) {
  for (const auto& [number, was] : applied) {
    const auto found =
        std::find_if(migrations.begin(), migrations.end(), [n = number](const Migration& m) { return m.number == n; });
    const std::string label = std::to_string(number) + "_" + was.name;
    if (found == migrations.end()) {
      return Error{ErrorCode::kFailedPrecondition, kMigrationUnknown, label + " is applied and not in the folder"};
    }
    MUSTER_TRY(const ResultPtr checksum, run_text(connection, kChecksum, {found->up}));
    if (was.checksum != PQgetvalue(checksum.get(), 0, 0)) {
      return Error{ErrorCode::kFailedPrecondition, kMigrationChanged, label + " is not what was applied"};
    }
  }
  return {};
}

Result<void> run_file(Connection& connection, const std::string& sql, const std::function<Result<void>()>& record) {
  const bool in_transaction = sql.compare(0, kNoTransaction.size(), kNoTransaction) != 0;
  if (in_transaction) MUSTER_TRY_VOID(connection.execute("BEGIN"));
  auto done = connection.execute(sql);
  if (!done.ok()) return std::move(done).error();
  MUSTER_TRY_VOID(record());
  if (in_transaction) MUSTER_TRY_VOID(connection.execute("COMMIT"));
  return {};
}

Error named(const Migration& migration, const Error& error) {
  if (error.code == ErrorCode::kUnavailable) return error;
  return {ErrorCode::kInternal, kMigrationFailed,
          std::to_string(migration.number) + "_" + migration.name + ": " + error.detail};
}

// Opens a connection, takes the lock (released when the connection closes) and makes the table.
Result<std::unique_ptr<Connection>> open_locked(const std::string& url) {
  const ConnectionConfig config{.url = url, .application_name = "muster migrate"};
  MUSTER_TRY(auto connection, Connection::open(config));
  MUSTER_TRY_VOID(connection->execute(kLock));
  MUSTER_TRY_VOID(connection->execute(kCreateTable));
  return connection;
}

}  // namespace

Result<std::vector<Migration>> read_migrations(const std::string& folder) {
  std::vector<Migration> migrations;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    if (!entry.path().string().ends_with(kUp)) continue;
    MUSTER_TRY(auto migration, read_migration(entry.path()));
    migrations.push_back(std::move(migration));
  }
  if (failed || migrations.empty()) return folder_error(folder + ": holds no migrations");
  std::sort(migrations.begin(), migrations.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  for (std::size_t i = 1; i < migrations.size(); ++i) {
    if (migrations[i].number == migrations[i - 1].number) {
      return folder_error("number " + std::to_string(migrations[i].number) + " is used twice");
    }
  }
  return migrations;
}

Result<std::vector<int>> Migrator::up() {
  MUSTER_TRY(auto connection, open_locked(url_));
  MUSTER_TRY(const auto applied, read_applied(*connection));
  MUSTER_TRY_VOID(verify(*connection, migrations_, applied));
  std::vector<int> done;
  for (const Migration& migration : migrations_) {
    if (applied.contains(migration.number)) continue;
    const auto result = run_file(*connection, migration.up, [&]() -> Result<void> {
      MUSTER_TRY_VOID(run_text(*connection, kRecord, {std::to_string(migration.number), migration.name, migration.up}));
      return {};
    });
    if (!result.ok()) return named(migration, result.error());
    done.push_back(migration.number);
  }
  return done;
}

Result<std::vector<int>> Migrator::down(int target) {
  MUSTER_TRY(auto connection, open_locked(url_));
  MUSTER_TRY(const auto applied, read_applied(*connection));
  MUSTER_TRY_VOID(verify(*connection, migrations_, applied));
  std::vector<int> done;
  for (auto it = migrations_.rbegin(); it != migrations_.rend(); ++it) {
    const Migration& migration = *it;
    if (migration.number <= target || !applied.contains(migration.number)) continue;
    const auto result = run_file(*connection, migration.down, [&]() -> Result<void> {
      MUSTER_TRY_VOID(run_text(*connection, kForget, {std::to_string(migration.number)}));
      return {};
    });
    if (!result.ok()) return named(migration, result.error());
    done.push_back(migration.number);
  }
  return done;
}

Result<std::vector<MigrationState>> Migrator::state() {
  MUSTER_TRY(auto connection, open_locked(url_));
  MUSTER_TRY(const auto applied, read_applied(*connection));
  std::vector<MigrationState> states;
  for (const Migration& migration : migrations_) {
    states.push_back({migration.number, migration.name, applied.contains(migration.number)});
  }
  return states;
}

}  // namespace muster::db
