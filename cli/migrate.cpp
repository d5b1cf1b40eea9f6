// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/installed_files.h"
#include "cli/output.h"
#include "db/migrator.h"

namespace muster::cli {
namespace {

struct MigrateOptions {
  std::string database_url;
  std::string folder;
  std::string down_to;
};

Result<db::Migrator> open_migrator(const MigrateOptions& options) {
  std::string folder = options.folder;
  if (folder.empty()) {
    MUSTER_TRY(folder, find_migrations_folder());
  }
  MUSTER_TRY(std::vector<db::Migration> migrations, db::read_migrations(folder));
  return db::Migrator(options.database_url, std::move(migrations));
}

int report(const Result<std::vector<int>>& done, const char* verb) {
  if (!done.ok()) return complain(done.error());
  for (const int number : *done) say(std::string(verb) + " " + std::to_string(number));
  if (done->empty()) say("nothing to do: the database is as it should be");
  return 0;
}

}  // namespace

void declare_migrate(Command& root) {
  auto options = std::make_shared<MigrateOptions>();
  Command command = root.add_command("migrate", "bring a database to the schema that this program needs");
  command.required("--database-url", options->database_url, "libpq connection string of the database's owner");
  command.option("--migrations", options->folder, "folder of the migrations; default: those of this program")
      .option("--down-to", options->down_to, "undo every migration with a number above this one");
  command.run([options] {
    auto migrator = open_migrator(*options);
    if (!migrator.ok()) return complain(migrator.error());
    if (options->down_to.empty()) return report(migrator->up(), "applied");
    return report(migrator->down(std::atoi(options->down_to.c_str())), "undone");
  });
}

}  // namespace muster::cli
