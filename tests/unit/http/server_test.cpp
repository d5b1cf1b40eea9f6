// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "http/client.h"
#include "http/reasons.h"
#include "support/process.h"
#include "support/temp_folder.h"

namespace muster::http {
namespace {

using Clock = std::chrono::steady_clock;
using test_support::TempFolder;

Route route(const std::string& method, const std::string& pattern, Handler handler) {
  Route made;
  made.method = method;
  made.pattern = pattern;
  made.handler = std::move(handler);
  made.max_body_bytes = 1'000;
  return made;
}

ClientRequest request(const std::string& method, const std::string& target) {
  ClientRequest made;
  made.method = method;
  made.target = target;
  return made;
}

ClientRequest post(const std::string& target, const std::string& body) {
  ClientRequest made = request("POST", target);
  made.body = body;
  return made;
}

Router make_router() {
  Router router;
  router.add(route("GET", "/hello", [](const Request& asked) {
    return json_response(200, "{\"peer\":" + std::string{asked.peer_chain.empty() ? "0" : "1"} + "}");
  }));
  router.add(
      route("POST", "/echo", [](const Request& asked) { return json_response(200, std::string{*asked.body.view()}); }));
  router.add(route("DELETE", "/nothing-to-say", [](const Request&) {
    Response response;
    response.status = 204;
    return response;
  }));
  router.add(route("GET", "/throw", [](const Request&) -> Response { throw std::runtime_error{"secret"}; }));
  router.add(route("GET", "/lines", [](const Request&) {
    Response response;
    response.content_type = "application/x-ndjson";
    response.stream = [](BodyWriter& writer) {
      for (int i = 0; i < 10'000; ++i) {
        if (!writer.write(std::to_string(i) + "\n")) return false;
      }
      return true;
    };
    return response;
  }));
  return router;
}

// A certificate authority and two end entities made by the openssl program.
class HttpServer : public testing::Test {
 protected:
  void run(const std::string& command) {
    test_support::SpawnOptions options;
    options.command = {"sh", "-c", "cd " + folder_.path().string() + " && umask 077 && " + command};
    options.output_file = (folder_ / "log").string();
    const auto status = test_support::run(options);
    ASSERT_TRUE(status.success()) << command;
  }
  void make_certificates() {
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj "
        "/CN=ca");
    for (const std::string name : {"server", "client"}) {
      run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + name + ".key -out " + name +
          ".csr -subj /CN=" + name + " && printf 'subjectAltName=IP:127.0.0.1\\n' > ext && openssl x509 -req -in " +
          name + ".csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out " + name + ".pem");
    }
  }
  void start(ListenerConfig config) {
    config.name = "test";
    config.address = "127.0.0.1";
    auto created = Listener::create(std::move(config), make_router(), metrics_);
    ASSERT_TRUE(created.ok()) << created.error().detail;
    listener_ = std::move(*created);
    listener_->start();
  }
  void start_tls(ClientCertificate mode, ClientVerifier verify, std::size_t threads = 4) {
    make_certificates();
    ListenerConfig config;
    config.threads = threads;
    config.tls =
        TlsConfig{(folder_ / "server.pem").string(), (folder_ / "server.key").string(), mode, std::move(verify)};
    start(std::move(config));
  }
  void TearDown() override {
    if (listener_) listener_->stop();
  }
  Client client(bool tls, bool with_certificate = false) {
    ClientConfig config;
    config.base_url = (tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(listener_->port());
    if (tls) config.ca_file = (folder_ / "ca.pem").string();
    if (with_certificate) {
      config.client_certificate_file = (folder_ / "client.pem").string();
      config.client_key_file = (folder_ / "client.key").string();
    }
    auto made = Client::create(config);
    EXPECT_TRUE(made.ok());
    return std::move(*made);
  }
  UniqueFd connect_raw() {
    UniqueFd fd{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(listener_->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  std::string exchange_raw(std::string_view request) {
    const UniqueFd fd = connect_raw();
    EXPECT_GT(send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL), 0);
    std::string answer;
    char buffer[4'096];
    for (ssize_t count; (count = recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) answer.append(buffer, count);
    return answer;
  }

  TempFolder folder_;
  MetricsRegistry metrics_;
  std::unique_ptr<Listener> listener_;
};

TEST_F(HttpServer, AnswersOverOneConnectionAgainAndAgain) {
  start({});
  Client http = client(false);

  for (int i = 0; i < 3; ++i) {
    const auto answer = http.send(post("/echo", "{\"i\":1}"));
    ASSERT_TRUE(answer.ok()) << answer.error().detail;
    EXPECT_EQ(answer->body, "{\"i\":1}");
  }
  EXPECT_EQ(metrics_.counter("muster_http_connections_total", "", {{"listener", "test"}}).value(), 1U);
}

TEST_F(HttpServer, StreamsLinesToTheClient) {
  start({});
  Client http = client(false);
  int lines = 0;

  const auto answer = http.stream_lines(request("GET", "/lines"), [&](std::string_view line) {
    EXPECT_EQ(line, std::to_string(lines));
    ++lines;
    return true;
  });

  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(lines, 10'000);
}

TEST_F(HttpServer, FaultsBecomeProblemsWithoutDetail) {
  start({});
  Client http = client(false);

  const auto thrown = http.send(request("GET", "/throw"));
  const auto missing = http.send(request("GET", "/nothing"));
  const auto wrong = http.send(request("DELETE", "/hello"));
  const auto large = http.send(post("/echo", std::string(1'001, 'x')));

  EXPECT_EQ(thrown->status, 500);
  EXPECT_EQ(thrown->body.find("secret"), std::string::npos);
  EXPECT_EQ(missing->status, 404);
  EXPECT_EQ(wrong->status, 405);
  EXPECT_EQ(wrong->headers.at("allow"), "GET, HEAD");
  ASSERT_TRUE(large.ok()) << large.error().detail;
  EXPECT_EQ(large->status, 413);
  EXPECT_NE(large->body.find(reasons::kBodyTooLarge), std::string::npos);
}

TEST_F(HttpServer, AnAnswerWithoutABodyHasItsStatus) {
  start({});
  Client http = client(false);

  EXPECT_EQ(http.send(request("DELETE", "/nothing-to-say"))->status, 204);
  EXPECT_EQ(http.send(request("HEAD", "/hello"))->status, 200);
}

TEST_F(HttpServer, AnswersHeadWithoutABody) {
  start({});

  const std::string answer = exchange_raw("HEAD /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");

  EXPECT_EQ(answer.rfind("HTTP/1.1 200", 0), 0U);
  EXPECT_NE(answer.find("content-length: 10"), std::string::npos);
  EXPECT_EQ(answer.substr(answer.size() - 4), "\r\n\r\n");
}

TEST_F(HttpServer, SaysWhenARequestTookTooLong) {
  ListenerConfig config;
  config.head_timeout = std::chrono::milliseconds{200};
  start(std::move(config));

  EXPECT_EQ(exchange_raw("GET /hello HTTP/1.1\r\nHost:").rfind("HTTP/1.1 408", 0), 0U);
}

TEST_F(HttpServer, FiftySilentConnectionsDoNotSlowTheNextEvenWithTwoThreads) {
  start_tls(ClientCertificate::kNotAsked, nullptr, 2);
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 50; ++i) silent.push_back(connect_raw());
  // Half of them begin a handshake and then say nothing more.
  for (int i = 0; i < 25; ++i) ASSERT_EQ(send(silent[i].get(), "\x16\x03\x01", 3, MSG_NOSIGNAL), 3);

  Client http = client(true);
  const auto start_time = Clock::now();
  const auto answer = http.send(request("GET", "/hello"));

  ASSERT_TRUE(answer.ok()) << answer.error().detail;
  EXPECT_EQ(answer->status, 200);
  // A thread that waited for one of them would wait for the handshake's deadline of ten seconds.
  EXPECT_LT(Clock::now() - start_time, std::chrono::seconds{3});
}

TEST_F(HttpServer, AnOptionalClientCertificateIsAcceptedOrRefusedButNeverIgnored) {
  std::atomic<bool> accept{true};
  start_tls(ClientCertificate::kOptional, [&](const std::vector<Bytes>& chain) -> Result<void> {
    if (accept && !chain.empty()) return {};
    return Error{ErrorCode::kUnauthenticated, "no", ""};
  });

  const auto anonymous = client(true).send(request("GET", "/hello"));
  const auto proven = client(true, true).send(request("GET", "/hello"));

  ASSERT_TRUE(anonymous.ok()) << anonymous.error().detail;
  EXPECT_EQ(anonymous->body, "{\"peer\":0}");
  ASSERT_TRUE(proven.ok()) << proven.error().detail;
  EXPECT_EQ(proven->body, "{\"peer\":1}");
  accept = false;
  EXPECT_FALSE(client(true, true).send(request("GET", "/hello")).ok());
  EXPECT_TRUE(client(true).send(request("GET", "/hello")).ok());
}

TEST_F(HttpServer, ARequiredClientCertificateMustBeThere) {
  start_tls(ClientCertificate::kRequired, [](const std::vector<Bytes>&) -> Result<void> { return {}; });

  EXPECT_FALSE(client(true).send(request("GET", "/hello")).ok());
  EXPECT_TRUE(client(true, true).send(request("GET", "/hello")).ok());
}

TEST_F(HttpServer, AKeyThatOthersMayReadIsRefused) {
  make_certificates();
  run("chmod 644 server.key");
  ListenerConfig config;
  config.name = "test";
  config.address = "127.0.0.1";
  config.tls = TlsConfig{(folder_ / "server.pem").string(), (folder_ / "server.key").string(), {}, {}};

  const auto created = Listener::create(config, make_router(), metrics_);

  ASSERT_FALSE(created.ok());
  EXPECT_EQ(created.error().reason, "file.permissions_too_open");
}

TEST_F(HttpServer, NoTicketIsGivenAndNoSessionResumed) {
  start_tls(ClientCertificate::kNotAsked, nullptr);
  const std::string target = "127.0.0.1:" + std::to_string(listener_->port());

  run("for v in -tls1_2 -tls1_3; do openssl s_client $v -connect " + target +
      " -sess_out s </dev/null >/dev/null 2>&1; [ ! -s s ] || ! openssl s_client $v -connect " + target +
      " -sess_in s </dev/null 2>/dev/null | grep -q '^Reused' || exit 1; done");
}

TEST_F(HttpServer, CancelEndsAWaitingClient) {
  start({});
  const UniqueFd occupied = connect_raw();
  // A server that never answers: a listening socket nobody accepts from.
  UniqueFd mute{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(bind(mute.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(listen(mute.get(), 8), 0);
  ASSERT_EQ(getsockname(mute.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  ClientConfig config;
  config.base_url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  auto http = Client::create(config);
  ASSERT_TRUE(http.ok());

  std::jthread canceler{[&] { http->cancel(); }};
  const auto answer = http->send(request("GET", "/"));

  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().reason, reasons::kCanceled);
}

}  // namespace
}  // namespace muster::http
