// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a real PostgreSQL for tests. One server per test process, started by the first use, on a private Unix socket
// (no TCP), with databases cloned from one that has all migrations. Nothing of it touches a PostgreSQL that already
// runs on the machine.
//
//   TestDatabase database = PostgresLab::shared().create_database();
//   auto pool = db::Pool::create({.url = database.url("muster_server")});
//
// Every failure throws std::runtime_error (the test fails); missing server binaries name the apt command.
// MUSTER_KEEP_TEST_DB=1 leaves the server's folder behind and prints how to look at it.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include "support/process.h"

namespace muster::test_support {

// TestDatabase names one database of the lab. The connection is trusted: any role may log in without a password.
class TestDatabase {
 public:
  TestDatabase(std::string socket_folder, std::string name)
      : socket_folder_(std::move(socket_folder)), name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  // url returns a libpq connection string for `role`, for example muster_server, muster_worker, muster_edge_….
  std::string url(std::string_view role) const;
  // The superuser: for what the product itself could not do, and for looking past row security.
  std::string superuser_url() const { return url("postgres"); }
  // execute runs SQL as the superuser and returns the first column of the first row ("" when there is none).
  std::string execute(const std::string& sql) const;

 private:
  std::string socket_folder_;
  std::string name_;
};

// PostgresLab is confined to the test's main thread; the databases may be used from any.
class PostgresLab {
 public:
  static PostgresLab& shared();
  PostgresLab(const PostgresLab&) = delete;
  PostgresLab& operator=(const PostgresLab&) = delete;
  ~PostgresLab();

  // create_database clones the migrated template: every call a database of its own.
  TestDatabase create_database();
  // create_empty_database has no migrations. Roles belong to the server, so those that migrations make are there.
  TestDatabase create_empty_database();

  // Outages: stop ends all connections (fast shutdown), kill9 is a crash. start waits until connections are accepted.
  void stop();
  void start();
  void kill9();

 private:
  PostgresLab();
  TestDatabase clone(std::string_view source, std::string_view prefix);

  std::filesystem::path folder_;
  ChildProcess server_;
  int janitor_pipe_ = -1;
  int databases_ = 0;
};

}  // namespace muster::test_support
