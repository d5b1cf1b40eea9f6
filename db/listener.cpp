// SPDX-License-Identifier: Apache-2.0
#include "db/listener.h"

#include <poll.h>

#include "db/connection.h"
#include "db/reasons.h"

namespace muster::db {

namespace {

struct NotifyDelete {
  void operator()(PGnotify* notify) const { PQfreemem(notify); }
};

std::vector<std::string> take_notifications(PGconn* connection) {
  std::vector<std::string> payloads;
  while (const std::unique_ptr<PGnotify, NotifyDelete> notify{PQnotifies(connection)}) {
    payloads.emplace_back(notify->extra);
  }
  return payloads;
}

}  // namespace

struct Listener::Impl {
  std::unique_ptr<Connection> connection;
};

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::~Listener() = default;

Result<std::unique_ptr<Listener>> Listener::create(const std::string& url, std::string_view channel) {
  const ConnectionConfig config{
      .url = url, .application_name = "muster listener", .statement_timeout = std::chrono::seconds(10)};
  MUSTER_TRY(auto connection, Connection::open(config));
  std::unique_ptr<char, decltype(&PQfreemem)> name(
      PQescapeIdentifier(connection->raw(), channel.data(), channel.size()), &PQfreemem);
  if (!name) return internal_error("channel name is not text");
  MUSTER_TRY_VOID(connection->execute(std::string("LISTEN ") + name.get()));
  return std::unique_ptr<Listener>(new Listener(std::make_unique<Impl>(Impl{std::move(connection)})));
}

Result<bool> Listener::wait(std::chrono::milliseconds timeout) {
  MUSTER_TRY(const auto payloads, wait_for_payloads(timeout));
  return !payloads.empty();
}

Result<std::vector<std::string>> Listener::wait_for_payloads(std::chrono::milliseconds timeout) {
  PGconn* raw = impl_->connection->raw();
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    if (auto payloads = take_notifications(raw); !payloads.empty()) return payloads;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return std::vector<std::string>{};
    pollfd socket{PQsocket(raw), POLLIN, 0};
    if (poll(&socket, 1, static_cast<int>(left.count())) < 0 && errno != EINTR) {
      return internal_error("poll failed");
    }
    if (socket.revents != 0 && PQconsumeInput(raw) == 0) {
      return Error{ErrorCode::kUnavailable, kDatabaseUnavailable, PQerrorMessage(raw)};
    }
  }
}

}  // namespace muster::db
