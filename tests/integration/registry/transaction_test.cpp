// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>
#include <future>

#include "db/migrator.h"
#include "db/reasons.h"
#include "db/statement.h"
#include "integration/registry/registry_fixture.h"
#include "registry/reasons.h"

namespace muster::registry {
namespace {

class Transactions : public RegistryTest {};

TEST_F(Transactions, AnErrorOfTheBodyRollsBack) {
  const Tenant tenant = make_tenant("acme");

  const auto result = in(tenant.id, [&](Transaction& tx) -> Result<void> {
    MUSTER_TRY_VOID(create_device(tx, tenant.id, new_device("d")));
    return Error{ErrorCode::kInvalidArgument, "test.refused", ""};
  });

  EXPECT_EQ(reason_of(result), "test.refused");
  EXPECT_EQ(database_.execute("SELECT count(*) FROM muster.devices"), "0");
}

TEST_F(Transactions, AStatementsErrorThatTheBodyIgnoresStillDoomsTheTransaction) {
  const Tenant acme = make_tenant("acme");
  const Tenant beta = make_tenant("beta");
  const std::vector<PolicyRule> rules = {{PolicyAction::kPublish, "${tenant}/x"}};

  const auto result = in(acme.id, [&](Transaction& tx) -> Result<void> {
    MUSTER_TRY_VOID(create_device(tx, acme.id, new_device("d")));
    (void)create_policy(tx, beta.id, "p", rules).ok();
    return {};
  });

  EXPECT_EQ(reason_of(result), db::kDatabaseValueRefused);
  EXPECT_EQ(database_.execute("SELECT count(*) FROM muster.devices"), "0");
}

TEST_F(Transactions, ADeadlockIsRunAgain) {
  const Tenant tenant = make_tenant("acme");
  const std::vector<Device> devices = {make_device(tenant.id, "a"), make_device(tenant.id, "b")};
  std::array<std::promise<void>, 2> has_first;
  std::array<int, 2> runs{};
  std::array<std::shared_future<void>, 2> ready = {has_first[0].get_future().share(),
                                                   has_first[1].get_future().share()};
  DeviceUpdate suspend;
  suspend.status = DeviceStatus::kSuspended;
  const auto swap = [&](std::size_t self) {
    return in(tenant.id, [&, self](Transaction& tx) -> Result<void> {
      MUSTER_TRY_VOID(update_device(tx, tenant.id, devices[self].id, suspend));
      if (++runs[self] == 1) has_first[self].set_value();
      ready[1 - self].wait();
      MUSTER_TRY_VOID(update_device(tx, tenant.id, devices[1 - self].id, suspend));
      return {};
    });
  };

  auto other = std::async(std::launch::async, swap, 1);
  const auto mine = swap(0);

  EXPECT_EQ(reason_of(mine), "");
  EXPECT_EQ(reason_of(other.get()), "");
  EXPECT_EQ(runs[0] + runs[1], 3);
}

TEST_F(Transactions, OneTransactionMayChangeScopeAndIsolationHoldsThen) {
  const auto name = must(TenantName::parse("acme"));

  const auto made = must(in_system([&](Transaction& tx) -> Result<Tenant> {
    MUSTER_TRY(Tenant tenant, create_tenant(tx, name));
    MUSTER_TRY_VOID(tx.enter(db::Scope::of_tenant(tenant.id)));
    MUSTER_TRY_VOID(create_device(tx, tenant.id, new_device("d")));
    return tenant;
  }));

  EXPECT_EQ(database_.execute("SELECT tenant_id FROM muster.devices"), made.id.text());
  EXPECT_EQ(changes_since({position().epoch, 0}).changes.size(), 2U);
}

TEST_F(Transactions, ABusyPoolAndALostServerHaveTheirReasonsAndThePoolRecovers) {
  db::PoolConfig config;
  config.url = database_.url("muster_server");
  config.size = 1;
  config.take_timeout = std::chrono::milliseconds(50);
  const auto pool = must(db::ConnectionPool::create(config));
  {
    auto lease = must(pool->take());
    EXPECT_EQ(reason_of(pool->take()), db::kDatabaseBusy);
  }
  ASSERT_TRUE(pool->check().ok());

  const auto lost = db::run_in_transaction(*pool, db::Scope::system(), [&](Transaction& tx) -> Result<void> {
    database_.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'muster_server'");
    MUSTER_TRY_VOID(current_position(tx));
    return {};
  });

  EXPECT_EQ(reason_of(lost), db::kDatabaseUnavailable);
  EXPECT_TRUE(pool->check().ok());
}

TEST_F(Transactions, ACommitWhoseAnswerIsLostHasAnUnknownOutcome) {
  // The connection dies in COMMIT itself: a deferred trigger ends it.
  database_.execute(
      "CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
      " PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); RETURN NULL; END $$;"
      "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON muster.tenants DEFERRABLE INITIALLY DEFERRED"
      " FOR EACH ROW EXECUTE FUNCTION public.die()");
  const auto name = must(TenantName::parse("acme"));
  int runs = 0;

  const auto result = in_system([&](Transaction& tx) {
    ++runs;
    return create_tenant(tx, name);
  });

  EXPECT_EQ(reason_of(result), db::kDatabaseOutcomeUnknown);
  EXPECT_EQ(runs, 1);
}

const db::Statement kInsertTwice{"test_insert_twice",
                                 "INSERT INTO muster.audit_unchained (event_id) SELECT 1 FROM generate_series(1, 2)"};

TEST_F(Transactions, AStatementThatWasSentFailsAtTheLatestWithCommit) {
  const Tenant tenant = make_tenant("acme");

  const auto result = in(tenant.id, [&](Transaction& tx) -> Result<void> {
    MUSTER_TRY_VOID(create_device(tx, tenant.id, new_device("d")));
    return db::send(tx, kInsertTwice);
  });

  EXPECT_EQ(reason_of(result), db::kDatabaseFailed);
  EXPECT_EQ(database_.execute("SELECT count(*) FROM muster.devices"), "0");
}

TEST_F(Transactions, AStatementThatWasSentIsNotTakenForARefusalOfTheNext) {
  const Tenant tenant = make_tenant("acme");

  const auto result = in(tenant.id, [&](Transaction& tx) -> Result<Device> {
    MUSTER_TRY_VOID(db::send(tx, kInsertTwice));
    return create_device(tx, tenant.id, new_device("d"));
  });

  EXPECT_EQ(reason_of(result), db::kDatabaseFailed);
  EXPECT_NE(result.error().detail.find("test_insert_twice"), std::string::npos) << result.error().detail;
  make_device(tenant.id, "d");
}

TEST_F(Transactions, WhatIsAskedTogetherIsAnsweredInAnyOrderAndAgain) {
  const Tenant acme = make_tenant("acme");
  const Tenant beta = make_tenant("beta");

  must(in_system([&](Transaction& tx) -> Result<void> {
    const auto first = ask_tenant_by_id(tx, acme.id);
    const auto second = ask_tenant_by_id(tx, beta.id);
    EXPECT_EQ(must(second.get()).name, "beta");
    EXPECT_EQ(must(current_position(tx)).number, 2U) << "others may come between";
    EXPECT_EQ(must(first.get()).name, "acme");
    EXPECT_EQ(must(second.get()).name, "beta");
    return {};
  }));
}

TEST_F(Transactions, WhatIsAskedInADoomedTransactionHasItsError) {
  const auto result = in_system([&](Transaction& tx) -> Result<void> {
    MUSTER_TRY_VOID(db::send(tx, kInsertTwice));
    const auto asked = ask_tenant_by_id(tx, TenantId{});
    EXPECT_EQ(reason_of(current_position(tx)), db::kDatabaseFailed);
    EXPECT_EQ(reason_of(asked.get()), db::kDatabaseFailed);
    return {};
  });

  EXPECT_EQ(reason_of(result), db::kDatabaseFailed);
}

TEST_F(Transactions, ReadingLeavesItsConnectionToTheNextWhateverComes) {
  const Tenant tenant = make_tenant("acme");
  const auto pool = make_pool(1);
  const auto read = [&](const TenantId& id) {
    return db::run_in_transaction(*pool, db::Scope::system().reading(),
                                  [&](Transaction& tx) { return get_tenant_by_id(tx, id); });
  };
  const auto write = [&](const char* name) {
    return db::run_in_transaction(*pool, db::Scope::of_tenant(tenant.id),
                                  [&](Transaction& tx) { return create_device(tx, tenant.id, new_device(name)); });
  };

  EXPECT_EQ(must(read(tenant.id)).name, "acme");
  must(write("a"));
  EXPECT_EQ(must(read(tenant.id)).name, "acme");
  EXPECT_EQ(reason_of(read(TenantId{})), kTenantNotFound);
  EXPECT_EQ(must(read(tenant.id)).name, "acme");
  EXPECT_TRUE(pool->check().ok());
  EXPECT_NE(
      reason_of(db::run_in_transaction(*pool, db::Scope::of_tenant(tenant.id).reading(),
                                       [&](Transaction& tx) { return create_device(tx, tenant.id, new_device("b")); })),
      "");
  must(write("c"));
  EXPECT_EQ(database_.execute("SELECT string_agg(name, ' ' ORDER BY name) FROM muster.devices"), "a c");
}

TEST_F(Transactions, AServerLostBehindAReaderIsFoundByTheNextAndForgotten) {
  const auto pool = make_pool(1);
  const auto read = [&] {
    return db::run_in_transaction(*pool, db::Scope::system().reading(),
                                  [&](Transaction& tx) { return current_position(tx); });
  };
  must(read());
  database_.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'muster_server'");

  EXPECT_EQ(reason_of(read()), db::kDatabaseUnavailable);
  must(read());
}

TEST_F(Transactions, AConfigurationThatCannotWorkIsRefused) {
  db::PoolConfig config;
  config.url = "host=x nonsense=1";
  EXPECT_EQ(reason_of(db::ConnectionPool::create(config)), db::kDatabaseUrlInvalid);
  config.url = "host=x";
  config.size = 0;
  EXPECT_EQ(reason_of(db::ConnectionPool::create(config)), db::kPoolSizeInvalid);
}

class Migrations : public ::testing::Test {
 protected:
  Migrations() : database_(test_support::PostgresLab::shared().create_empty_database()) {}
  db::Migrator migrator(std::vector<db::Migration> migrations) const {
    return {database_.superuser_url(), std::move(migrations)};
  }
  static std::vector<db::Migration> two_files() {
    return {{1, "one", "CREATE TABLE public.one (n integer)", "DROP TABLE public.one"},
            {2, "two", "CREATE TABLE public.two (n integer)", "DROP TABLE public.two"}};
  }
  test_support::TestDatabase database_;
};

TEST_F(Migrations, TheProductsOwnGoUpDownAndUpAgain) {
  const auto files = must(db::read_migrations(std::string(MUSTER_SOURCE_DIR) + "/migrations"));
  auto all = migrator(files);

  EXPECT_EQ(must(all.up()).size(), files.size());
  EXPECT_EQ(must(all.up()).size(), 0U);
  EXPECT_EQ(must(all.down(0)).size(), files.size());
  EXPECT_EQ(database_.execute("SELECT count(*) FROM pg_namespace WHERE nspname IN ('muster', 'log')"), "0");
  EXPECT_EQ(must(all.up()).size(), files.size());
}

TEST_F(Migrations, OfTwoAtOnceOneMigratesAndTheOtherWaits) {
  auto files = two_files();
  files[0].up += "; SELECT pg_sleep(0.2)";
  const auto up = [&] { return must(migrator(files).up()).size(); };
  auto other = std::async(std::launch::async, up);

  const std::size_t mine = up();

  EXPECT_EQ(mine + other.get(), 2U);
}

TEST_F(Migrations, AChangedFileAnUnknownOneAndAFailingOneAreRefused) {
  auto files = two_files();
  must(migrator(files).up());
  auto changed = files;
  changed[0].up += " ";
  auto failing = files;
  failing.push_back({3, "three", "CREATE TABLE public.three (n integer); SELECT 1/0", ""});

  EXPECT_EQ(reason_of(migrator(changed).up()), db::kMigrationChanged);
  EXPECT_EQ(reason_of(migrator({files[0]}).up()), db::kMigrationUnknown);
  EXPECT_EQ(reason_of(migrator(failing).up()), db::kMigrationFailed);
  EXPECT_EQ(database_.execute("SELECT to_regclass('public.three') IS NULL"), "t");
  const auto state = must(migrator(failing).state());
  EXPECT_TRUE(state[1].applied);
  EXPECT_FALSE(state[2].applied);
}

}  // namespace
}  // namespace muster::registry
