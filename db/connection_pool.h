// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "core/result.h"

namespace muster::db {

class Connection;  // db/connection.h: the one place that holds a libpq connection

struct PoolConfig {
  std::string url;  // libpq connection string or URI
  std::string application_name = "muster";
  std::size_t size = 8;                                          // connections at most, 1..200
  std::chrono::milliseconds take_timeout{5000};                  // how long take() waits for a free connection
  std::chrono::milliseconds idle_check{2000};                    // a connection idle for longer is tested before use
  std::chrono::milliseconds statement_timeout{15000};            // PostgreSQL's, per statement
  std::chrono::milliseconds lock_timeout{10000};                 // PostgreSQL's, per lock
  std::chrono::milliseconds idle_in_transaction_timeout{15000};  // PostgreSQL's
};

// ConnectionPool holds up to `size` connections, opened on demand. Thread-safe. It must outlive its leases.
class ConnectionPool {
 public:
  // Checks the configuration; does not connect (the database may come up later).
  // Reasons: config.database_url_invalid, config.database_pool_invalid.
  static Result<std::unique_ptr<ConnectionPool>> create(PoolConfig config);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  // Lease is one connection for one transaction; it goes back when the lease ends, or is closed if it broke.
  class Lease {
   public:
    Lease(ConnectionPool& pool, std::unique_ptr<Connection> connection);
    Lease(Lease&&) noexcept;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Connection& connection() { return *connection_; }

   private:
    friend class ConnectionPool;
    Result<void> make_usable();
    ConnectionPool* pool_;
    std::unique_ptr<Connection> connection_;
  };

  // Waits for a free connection, tests it if it was idle, connects if there is none.
  // Reasons: database.busy (all in use until the timeout), database.unavailable.
  Result<Lease> take();

  // Runs SELECT 1. Reasons: those of take. For /readyz and doctor.
  Result<void> check();

  const PoolConfig& config() const;
  std::size_t in_use() const;

 private:
  struct State;
  explicit ConnectionPool(std::unique_ptr<State> state);
  void give_back(std::unique_ptr<Connection> connection);
  std::unique_ptr<State> state_;
};

}  // namespace muster::db
