// SPDX-License-Identifier: Apache-2.0
//
// Purpose: brings a database to the schema that this program needs. Files NNNN_name.up.sql and NNNN_name.down.sql, one
// transaction each; applied files are recorded with their SHA-256 in public.schema_migrations and never change.
#pragma once

#include <string>
#include <vector>

#include "core/id.h"
#include "core/result.h"

namespace muster::db {

struct Migration {
  int number = 0;
  std::string name;
  std::string up;
  std::string down;
};

struct MigrationState {
  int number = 0;
  std::string name;
  bool applied = false;
};

// read_migrations reads a folder, sorted by number. Reason: migration.folder_invalid (a number used twice, an up
// without a down, a name that is not NNNN_name).
Result<std::vector<Migration>> read_migrations(const std::string& folder);

// Migrator is thread-compatible. `url` must log in as the database's owner with CREATEROLE, or as superuser.
class Migrator {
 public:
  Migrator(std::string url, std::vector<Migration> migrations)
      : url_(std::move(url)), migrations_(std::move(migrations)) {}

  // Applies every file that is not applied yet and returns their numbers. Two migrators at once: the second waits on an
  // advisory lock and then finds nothing to do. Reasons: migration.changed, migration.unknown, migration.failed (the
  // failing file is rolled back, those before it stay), database.unavailable.
  Result<std::vector<int>> up();
  // Undoes applied files with a number above `target`, newest first, and returns their numbers.
  Result<std::vector<int>> down(int target);
  Result<std::vector<MigrationState>> state();

 private:
  std::string url_;
  std::vector<Migration> migrations_;
};

}  // namespace muster::db
