// SPDX-License-Identifier: Apache-2.0
#include "contract/log_contract.h"

#include "integration/ingest/log_lab.h"

namespace muster::ingest {
namespace {

class PostgresEngine : public LogLab {
 public:
  PostgresEngine() { use_four_partitions(); }
  // A copy of the database stands for a backup; restoring it gives the database another name but the same content.
  void remember() {
    copy_ = database_->name() + "_copy";
    copy(database_->name(), copy_);
  }
  void restore() {
    const std::string name = database_->name();
    const test_support::TestDatabase admin = test_support::PostgresLab::shared().create_empty_database();
    admin.execute("DROP DATABASE " + name);
    admin.execute("ALTER DATABASE " + copy_ + " RENAME TO " + name);
  }

 private:
  static void copy(const std::string& from, const std::string& to) {
    const test_support::TestDatabase admin = test_support::PostgresLab::shared().create_empty_database();
    admin.execute("CREATE DATABASE " + to + " TEMPLATE " + from + " STRATEGY file_copy");
  }
  std::string copy_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Postgres, LogContract, PostgresEngine);

}  // namespace
}  // namespace muster::ingest
