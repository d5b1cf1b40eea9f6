// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "core/unique_fd.h"
#include "http/message.h"
#include "http/request_parser.h"
#include "http/server.h"

namespace muster::http {

using SteadyTime = std::chrono::steady_clock::time_point;

// What a connection asks of the listener after a turn of work.
enum class Wait { kReadable, kWritable, kClose };

// Connection is one accepted socket. Confined to the thread that drives it: the listener hands it to one thread at a
// time, and only when its socket is ready.
class Connection {
 public:
  Connection(UniqueFd socket, std::string remote_address, const ListenerConfig& config, const Router& router,
             SSL_CTX* tls);
  ~Connection();

  // Does what can be done without waiting for the peer's next octets; a handler runs inside, and an answer is written
  // with the peer's pace bounded by the configured rate.
  Wait drive();
  // drive() past the deadline: says 408 where a request had begun.
  void expire();

  int fd() const { return socket_.get(); }
  SteadyTime deadline() const { return deadline_; }
  const std::string& remote_address() const { return remote_address_; }

 private:
  enum class Stage { kHandshake, kRequest, kBody, kDraining };
  enum class Io { kDone, kWantRead, kWantWrite, kClosed };

  Io handshake();
  Io receive();
  Wait drain();
  Wait pump();
  bool begin_body();  // false: answered, and the connection is to be closed
  bool answer_unrouted();
  std::optional<Response> admit(const Route& route);
  void ensure_request_id();
  void extend_deadline();
  void await_next_request();
  Wait serve(const Route* route);
  Response handle(const Route& route);
  // Sends the answer; false when the connection cannot go on.
  bool respond(Response response, bool keep);
  Wait refuse(const Error& error);
  Wait start_draining();
  bool send_all(std::string_view octets);
  bool send_body(Response& response, bool chunked);
  void expect_within(std::chrono::milliseconds time) { deadline_ = std::chrono::steady_clock::now() + time; }
  void prepare_request();

  friend class ChunkWriter;

  const ListenerConfig& config_;
  const Router& router_;
  UniqueFd socket_;
  const std::string remote_address_;
  struct DeleteSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL, DeleteSsl> ssl_;
  std::vector<Bytes> peer_chain_;
  RequestParser parser_;
  Stage stage_ = Stage::kRequest;
  Router::Match match_;
  SteadyTime deadline_;
  SteadyTime write_deadline_;
  SteadyTime body_start_;
  bool head_started_ = false;
  std::size_t drained_ = 0;
  bool head_only_ = false;  // the request is HEAD
};

}  // namespace muster::http
