// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <iterator>

#include "integration/registry/registry_fixture.h"
#include "support/process.h"
#include "support/temp_folder.h"

namespace muster::registry {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Schema : public RegistryTest {};

TEST_F(Schema, TheCommittedDumpIsWhatTheMigrationsMake) {
  const test_support::TempFolder folder;
  const std::string dump = (folder / "schema.sql").string();
  const std::string source = MUSTER_SOURCE_DIR;

  test_support::SpawnOptions options;
  options.command = {source + "/scripts/dump_schema", database_.superuser_url(), dump};
  const auto outcome = test_support::run(options);

  ASSERT_TRUE(outcome.success());
  const std::string made = read_text(dump);
  ASSERT_NE(made.find("CREATE TABLE muster.certificates"), std::string::npos);
  EXPECT_TRUE(made == read_text(source + "/migrations/schema.sql"))
      << "run scripts/dump_schema on a freshly migrated database and commit migrations/schema.sql";
}

}  // namespace
}  // namespace muster::registry
