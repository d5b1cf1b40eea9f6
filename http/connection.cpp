// SPDX-License-Identifier: Apache-2.0
#include "http/connection.h"

#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "core/clock.h"
#include "core/encoding.h"
#include "core/log.h"
#include "core/random.h"
#include "http/reasons.h"
#include "http/tls_context.h"

namespace muster::http {
namespace {

constexpr std::size_t kReadChunk = 16'384;
constexpr std::size_t kMaxDrained = 64u << 20;  // of a body that was refused unread
constexpr std::size_t kFreeBodyBytes = 16'384;  // what anybody may park in our memory
constexpr std::chrono::milliseconds kDrainTime{5'000};

const Log& log() {
  static const Log instance{"http"};
  return instance;
}

// The statuses of what the parser and the router refuse; everything a handler refuses is mapped by the api.
int refusal_status(const Error& error) {
  if (error.reason == reasons::kBodyTooLarge) return 413;
  if (error.reason == reasons::kTargetTooLong) return 414;
  if (error.reason == reasons::kEncodingUnsupported) return 415;
  if (error.reason == reasons::kHeadersTooLarge) return 431;
  if (error.reason == reasons::kVersionUnsupported) return 505;
  return error.code == ErrorCode::kInternal ? 500 : 400;
}

Response refusal(const Error& error, std::string_view request_id) {
  const bool internal = error.code == ErrorCode::kInternal;
  if (internal) log().error("request refused", {{"request_id", request_id}, {"error", error.detail}});
  return problem_response({refusal_status(error), error.reason, internal ? "" : error.detail}, request_id);
}

std::chrono::milliseconds time_for(std::size_t octets, std::size_t rate) {
  return std::chrono::milliseconds{octets * 1'000 / rate};
}

// [RFC9110 15.3.5, 15.4.5]
bool has_no_body(int status) { return status == 204 || status == 304; }

std::string render_head(const Response& response, std::string_view request_id, bool keep, bool chunked) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " ";
  head.append(status_text(response.status)).append("\r\n");
  if (!response.content_type.empty()) head.append("content-type: ").append(response.content_type).append("\r\n");
  if (chunked) {
    head.append("transfer-encoding: chunked\r\n");
  } else if (!has_no_body(response.status)) {
    head.append("content-length: ").append(std::to_string(response.body.size())).append("\r\n");
  }
  for (const auto& [name, value] : response.headers) {
    // A handler that copies a name into a header must not be able to end it.
    if (value.find_first_of("\r\n") == std::string::npos) head.append(name).append(": ").append(value).append("\r\n");
  }
  head.append("x-request-id: ").append(request_id).append("\r\n");
  head.append("x-content-type-options: nosniff\r\n");
  if (!keep) head.append("connection: close\r\n");
  head.append("\r\n");
  return head;
}

}  // namespace

Connection::Connection(UniqueFd socket, std::string remote_address, const ListenerConfig& config, const Router& router,
                       SSL_CTX* tls)
    : config_(config),
      router_(router),
      socket_(std::move(socket)),
      remote_address_(std::move(remote_address)),
      parser_(config.limits) {
  expect_within(config.head_timeout);
  if (tls == nullptr) return;
  stage_ = Stage::kHandshake;
  expect_within(config.handshake_timeout);
  ssl_.reset(SSL_new(tls));
  if (ssl_ != nullptr) SSL_set_fd(ssl_.get(), socket_.get());
}

Connection::~Connection() = default;

Wait Connection::drive() {
  if (stage_ == Stage::kDraining) return drain();
  if (stage_ == Stage::kHandshake) {
    switch (handshake()) {
      case Io::kWantRead: return Wait::kReadable;
      case Io::kWantWrite: return Wait::kWritable;
      case Io::kClosed: return Wait::kClose;
      case Io::kDone: break;
    }
  }
  while (true) {
    const Io io = receive();
    if (io == Io::kClosed) return Wait::kClose;
    if (io != Io::kDone) return io == Io::kWantRead ? Wait::kReadable : Wait::kWritable;
    const Wait wait = pump();
    if (wait == Wait::kClose || stage_ == Stage::kDraining) return wait;
  }
}

Connection::Io Connection::handshake() {
  if (ssl_ == nullptr) return Io::kClosed;
  ERR_clear_error();
  const int done = SSL_accept(ssl_.get());
  if (done == 1) {
    peer_chain_ = peer_chain(ssl_.get());
    stage_ = Stage::kRequest;
    expect_within(config_.head_timeout);
    return Io::kDone;
  }
  const int error = SSL_get_error(ssl_.get(), done);
  if (error == SSL_ERROR_WANT_READ) return Io::kWantRead;
  if (error == SSL_ERROR_WANT_WRITE) return Io::kWantWrite;
  char text[256] = "";
  if (const unsigned long code = ERR_peek_last_error()) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  log().debug("handshake refused", {{"listener", config_.name}, {"remote", remote_address_}, {"error", text}});
  return Io::kClosed;
}

Connection::Io Connection::receive() {
  char buffer[kReadChunk];
  if (ssl_ == nullptr) {
    const ssize_t count = recv(socket_.get(), buffer, sizeof buffer, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return Io::kWantRead;
    if (count <= 0) return Io::kClosed;
    parser_.feed({buffer, static_cast<std::size_t>(count)});
    return Io::kDone;
  }
  ERR_clear_error();
  const int count = SSL_read(ssl_.get(), buffer, sizeof buffer);
  if (count > 0) {
    parser_.feed({buffer, static_cast<std::size_t>(count)});
    return Io::kDone;
  }
  const int error = SSL_get_error(ssl_.get(), count);
  if (error == SSL_ERROR_WANT_READ) return Io::kWantRead;
  if (error == SSL_ERROR_WANT_WRITE) return Io::kWantWrite;
  ERR_clear_error();
  return Io::kClosed;
}

// Works off what has arrived; kReadable: the next request or the rest of this one is awaited.
Wait Connection::pump() {
  while (true) {
    if (stage_ == Stage::kRequest && parser_.is_empty()) return Wait::kReadable;
    const RequestParser::Step step = parser_.step();
    switch (step) {
      case RequestParser::Step::kNeedMore: extend_deadline(); return Wait::kReadable;
      case RequestParser::Step::kFailed: return refuse(parser_.take_error());
      case RequestParser::Step::kHeadComplete:
        prepare_request();
        if (!begin_body()) return start_draining();
        break;
      case RequestParser::Step::kComplete: {
        const Wait wait = serve(match_.route);
        if (wait != Wait::kReadable) return wait;
        break;
      }
    }
  }
}

// A header section has a fixed time from its first octet; a body earns time by the octets that came.
void Connection::extend_deadline() {
  const auto now = std::chrono::steady_clock::now();
  if (stage_ == Stage::kRequest && !head_started_) {
    head_started_ = true;
    deadline_ = now + config_.head_timeout;
  }
  if (stage_ == Stage::kBody) {
    deadline_ = body_start_ + config_.body_timeout + time_for(parser_.body_bytes(), config_.min_rate_bytes_per_second);
  }
}

void Connection::await_next_request() {
  parser_.reset();
  stage_ = Stage::kRequest;
  head_started_ = false;
  expect_within(config_.idle_timeout);
}

void Connection::prepare_request() {
  Request& request = parser_.request();
  request.remote_address = remote_address_;
  request.request_id = to_hex(random_bytes(8));
  request.peer_chain = peer_chain_;
  request.over_tls = ssl_ != nullptr;
  head_only_ = request.method == "HEAD";
  match_ = router_.match(request.method, request.segments);
  request.parameters = std::move(match_.parameters);
  stage_ = Stage::kBody;
  body_start_ = std::chrono::steady_clock::now();
  expect_within(config_.body_timeout);
}

bool Connection::begin_body() {
  const Request& request = parser_.request();
  const Route* route = match_.route;
  if (route == nullptr) return answer_unrouted();
  if (route->admit && parser_.body_may_exceed(kFreeBodyBytes)) {
    std::optional<Response> refused = admit(*route);
    if (refused) return respond(std::move(*refused), false), false;
  }
  auto begun = parser_.begin_body(route->storage, route->max_body_bytes);
  if (!begun.ok()) return respond(refusal(begun.error(), request.request_id), false), false;
  if (parser_.expects_continue() && parser_.has_body()) {
    write_deadline_ = std::chrono::steady_clock::now() + config_.head_timeout;
    return send_all("HTTP/1.1 100 Continue\r\n\r\n");
  }
  return true;
}

bool Connection::answer_unrouted() {
  const bool known = !match_.allow.empty();
  const Problem problem{known ? 405 : 404, known ? reasons::kMethodNotAllowed : reasons::kNotFound, ""};
  Response response = problem_response(problem, parser_.request().request_id);
  if (known) response.headers.emplace_back("allow", match_.allow);
  // A body that follows is not read, so the connection ends with this answer.
  const bool keep = parser_.keep_alive() && !parser_.has_body();
  if (!respond(std::move(response), keep) || !keep) return false;
  await_next_request();
  return true;
}

std::optional<Response> Connection::admit(const Route& route) {
  const Request& request = parser_.request();
  try {
    return route.admit(request);
  } catch (const std::exception& exception) {
    log().error("admission failed", {{"request_id", request.request_id}, {"error", exception.what()}});
    return problem_response({}, request.request_id);
  }
}

Wait Connection::serve(const Route* route) {
  const bool keep = parser_.keep_alive();
  if (!respond(handle(*route), keep)) return Wait::kClose;
  if (!keep) return start_draining();
  await_next_request();
  return Wait::kReadable;
}

Response Connection::handle(const Route& route) {
  const Request& request = parser_.request();
  std::string what = "unknown exception";
  try {
    return route.handler(request);
  } catch (const std::exception& exception) {
    what = exception.what();
  } catch (...) {
  }
  log().error(
      "handler failed",
      {{"request_id", request.request_id}, {"method", request.method}, {"route", route.pattern}, {"error", what}});
  return problem_response({}, request.request_id);
}

Wait Connection::refuse(const Error& error) {
  ensure_request_id();
  respond(refusal(error, parser_.request().request_id), false);
  return start_draining();
}

void Connection::ensure_request_id() {
  std::string& id = parser_.request().request_id;
  if (id.empty()) id = to_hex(random_bytes(8));
}

void Connection::expire() {
  if (stage_ == Stage::kHandshake || stage_ == Stage::kDraining || parser_.is_empty()) return;
  ensure_request_id();
  respond(problem_response({408, reasons::kTimeout, ""}, parser_.request().request_id), false);
}

// Closing a socket with unread octets resets it, and the reset may overtake the answer: what the peer still sends is
// read and dropped for a while.
Wait Connection::start_draining() {
  if (ssl_ != nullptr) SSL_shutdown(ssl_.get());
  ERR_clear_error();
  shutdown(socket_.get(), SHUT_WR);
  stage_ = Stage::kDraining;
  expect_within(kDrainTime);
  return drain();
}

Wait Connection::drain() {
  char buffer[kReadChunk];
  while (drained_ < kMaxDrained) {
    const ssize_t count = recv(socket_.get(), buffer, sizeof buffer, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return Wait::kReadable;
    if (count <= 0) return Wait::kClose;
    drained_ += static_cast<std::size_t>(count);
  }
  return Wait::kClose;
}

bool Connection::send_all(std::string_view octets) {
  while (!octets.empty()) {
    short wanted = POLLOUT;
    ssize_t count = -1;
    if (ssl_ == nullptr) {
      count = send(socket_.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
      if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
    } else {
      ERR_clear_error();
      const int sent =
          SSL_write(ssl_.get(), octets.data(), static_cast<int>(std::min<std::size_t>(octets.size(), 1u << 20)));
      count = sent;
      const int error = sent > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), sent);
      if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return false;
      if (error == SSL_ERROR_WANT_READ) wanted = POLLIN;
    }
    if (count > 0) {
      octets.remove_prefix(static_cast<std::size_t>(count));
      write_deadline_ += time_for(static_cast<std::size_t>(count), config_.min_rate_bytes_per_second);
      continue;
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(write_deadline_ - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting{socket_.get(), wanted, 0};
    poll(&waiting, 1, static_cast<int>(left.count()));
  }
  return true;
}

// Sends what a stream writes as HTTP chunks.
class ChunkWriter final : public BodyWriter {
 public:
  explicit ChunkWriter(Connection& connection) : connection_(connection) {}
  bool write(std::string_view octets) override {
    pending_.append(octets);
    return pending_.size() < kReadChunk || flush();
  }
  bool flush() {
    if (pending_.empty()) return true;
    char size[20];
    snprintf(size, sizeof size, "%zx\r\n", pending_.size());
    const std::string chunk = size + std::exchange(pending_, {}) + "\r\n";
    // Producing may take long; only the peer's slowness counts against it.
    connection_.write_deadline_ =
        std::max(connection_.write_deadline_, std::chrono::steady_clock::now() + connection_.config_.head_timeout);
    return connection_.send_all(chunk);
  }

 private:
  Connection& connection_;
  std::string pending_;
};

bool Connection::respond(Response response, bool keep) {
  const bool chunked = static_cast<bool>(response.stream);
  write_deadline_ = std::chrono::steady_clock::now() + config_.head_timeout;
  std::string head = render_head(response, parser_.request().request_id, keep, chunked);
  if (head_only_) return send_all(head);
  if (!chunked) return send_all(has_no_body(response.status) ? head : head.append(response.body));
  if (!send_all(head)) return false;
  ChunkWriter writer{*this};
  try {
    return response.stream(writer) && writer.flush() && send_all("0\r\n\r\n");
  } catch (const std::exception& exception) {
    log().error("stream failed", {{"request_id", parser_.request().request_id}, {"error", exception.what()}});
    return false;
  }
}

}  // namespace muster::http
