// SPDX-License-Identifier: Apache-2.0
#include "db/connection_pool.h"

#include <condition_variable>
#include <mutex>
#include <vector>

#include "db/connection.h"
#include "db/reasons.h"

namespace muster::db {

namespace {

constexpr std::size_t kLargestPool = 200;

ConnectionConfig connection_config(const PoolConfig& config) {
  return {.url = config.url,
          .application_name = config.application_name,
          .statement_timeout = config.statement_timeout,
          .lock_timeout = config.lock_timeout,
          .idle_in_transaction_timeout = config.idle_in_transaction_timeout};
}

bool url_parses(const std::string& url, std::string& why) {
  char* message = nullptr;
  PQconninfoOption* options = PQconninfoParse(url.c_str(), &message);
  const bool parses = options != nullptr;
  if (message != nullptr) why = message;
  PQfreemem(message);
  PQconninfoFree(options);
  return parses;
}

}  // namespace

struct ConnectionPool::State {
  const PoolConfig config;
  std::mutex mutex;
  std::condition_variable returned;
  // Guarded by mutex. The most recently used one is last and is taken first, so that a quiet pool uses few.
  std::vector<std::unique_ptr<Connection>> idle;
  std::size_t in_use = 0;

  explicit State(PoolConfig c) : config(std::move(c)) {}
};

Result<std::unique_ptr<ConnectionPool>> ConnectionPool::create(PoolConfig config) {
  std::string why;
  if (config.url.empty() || !url_parses(config.url, why)) {
    return Error{ErrorCode::kInvalidArgument, kDatabaseUrlInvalid, why};
  }
  if (config.size == 0 || config.size > kLargestPool) {
    return Error{ErrorCode::kInvalidArgument, kPoolSizeInvalid, "size must be 1 to 200"};
  }
  return std::unique_ptr<ConnectionPool>(new ConnectionPool(std::make_unique<State>(std::move(config))));
}

ConnectionPool::ConnectionPool(std::unique_ptr<State> state) : state_(std::move(state)) {}
ConnectionPool::~ConnectionPool() = default;

const PoolConfig& ConnectionPool::config() const { return state_->config; }

std::size_t ConnectionPool::in_use() const {
  const std::lock_guard lock(state_->mutex);
  return state_->in_use;
}

Result<ConnectionPool::Lease> ConnectionPool::take() {
  std::unique_ptr<Connection> connection;
  {
    std::unique_lock lock(state_->mutex);
    const auto has_room = [this] { return state_->in_use < state_->config.size; };
    if (!state_->returned.wait_for(lock, state_->config.take_timeout, has_room)) {
      return Error{ErrorCode::kUnavailable, kDatabaseBusy, "all connections are in use"};
    }
    ++state_->in_use;
    if (!state_->idle.empty()) {
      connection = std::move(state_->idle.back());
      state_->idle.pop_back();
    }
  }
  // Outside the lock: connecting and testing take time. The lease gives the place back on every path.
  Lease lease(*this, std::move(connection));
  MUSTER_TRY_VOID(lease.make_usable());
  return lease;
}

Result<void> ConnectionPool::check() {
  MUSTER_TRY(auto lease, take());
  MUSTER_TRY_VOID(lease.connection().execute("SELECT 1"));
  return {};
}

void ConnectionPool::give_back(std::unique_ptr<Connection> connection) {
  const bool reusable = connection && !connection->is_broken() && connection->is_idle();
  {
    const std::lock_guard lock(state_->mutex);
    --state_->in_use;
    if (reusable) state_->idle.push_back(std::move(connection));
  }
  state_->returned.notify_one();
}

ConnectionPool::Lease::Lease(ConnectionPool& pool, std::unique_ptr<Connection> connection)
    : pool_(&pool), connection_(std::move(connection)) {}

ConnectionPool::Lease::Lease(Lease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)), connection_(std::move(other.connection_)) {}

ConnectionPool::Lease::~Lease() {
  if (pool_ != nullptr) pool_->give_back(std::move(connection_));
}

Result<void> ConnectionPool::Lease::make_usable() {
  const PoolConfig& config = pool_->state_->config;
  if (connection_) {
    const auto idle = std::chrono::steady_clock::now() - connection_->last_used();
    if (idle < config.idle_check || connection_->execute("SELECT 1").ok()) return {};
    connection_.reset();  // the server restarted, or the network forgot it
  }
  MUSTER_TRY(connection_, Connection::open(connection_config(config)));
  return {};
}

}  // namespace muster::db
