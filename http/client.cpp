// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <regex>
#include <utility>

#include <httplib.h>
#include <openssl/ssl.h>

#include "http/reasons.h"

namespace muster::http {
namespace {

bool url_is_plain(const std::string& url) {
  // What httplib would make of anything else (userinfo, path, missing port) is not what the caller means.
  static const std::regex kForm{R"(https?://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5})"};
  return std::regex_match(url, kForm);
}

bool starts_https(const std::string& url) { return url.rfind("https://", 0) == 0; }

Error to_error(httplib::Error error, bool canceled) {
  if (canceled) return {ErrorCode::kUnavailable, reasons::kCanceled, "the request was given up by the caller"};
  const std::string text = httplib::to_string(error);
  switch (error) {
    case httplib::Error::SSLServerVerification:
      return {ErrorCode::kUnauthenticated, reasons::kServerCertificate,
              "the server's certificate or name is not the expected one"};
    case httplib::Error::Connection:
    case httplib::Error::ConnectionTimeout:
    case httplib::Error::BindIPAddress:
    case httplib::Error::SSLConnection: return {ErrorCode::kUnavailable, reasons::kConnectFailed, text};
    default: return {ErrorCode::kUnavailable, reasons::kConnectionLost, text};
  }
}

// Cuts a stream of octets into lines.
class LineCutter {
 public:
  LineCutter(const std::function<bool(std::string_view)>& on_line, std::size_t max) : on_line_(on_line), max_(max) {}

  bool feed(std::string_view octets) {
    while (!octets.empty()) {
      const std::size_t end = octets.find('\n');
      pending_.append(octets.substr(0, end));
      if (pending_.size() > max_) return too_long_ = true, false;
      if (end == std::string_view::npos) return true;
      octets.remove_prefix(end + 1);
      if (!flush()) return false;
    }
    return true;
  }
  bool finish() { return pending_.empty() || flush(); }
  bool too_long() const { return too_long_; }
  bool stopped() const { return stopped_; }

 private:
  bool flush() {
    const std::string line = std::exchange(pending_, {});
    if (!on_line_(line)) stopped_ = true;
    return !stopped_;
  }
  const std::function<bool(std::string_view)>& on_line_;
  std::size_t max_;
  std::string pending_;
  bool too_long_ = false;
  bool stopped_ = false;
};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

void take_head(ClientResponse& target, const httplib::Response& source) {
  target.status = source.status;
  for (const auto& [name, value] : source.headers) target.headers.emplace(lower(name), value);
}

}  // namespace

std::string percent_encode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char character : text) {
    const auto octet = static_cast<unsigned char>(character);
    const bool unreserved =
        (octet < 0x80 && std::isalnum(octet)) || std::string_view{"-._~"}.find(character) != std::string_view::npos;
    if (unreserved) {
      out.push_back(character);
    } else {
      out.push_back('%');
      out.push_back(kDigits[octet >> 4]);
      out.push_back(kDigits[octet & 15]);
    }
  }
  return out;
}

struct Client::State {
  explicit State(ClientConfig c)
      : config(std::move(c)), http(config.base_url, config.client_certificate_file, config.client_key_file) {}

  struct Exchange {
    ClientResponse response;
    std::function<bool(std::string_view)> on_success_octets;  // empty: collect
    bool too_large = false;
  };

  httplib::Request make_request(const ClientRequest& request, Exchange& exchange);
  Result<void> perform(const ClientRequest& request, Exchange& exchange);

  const ClientConfig config;
  std::mutex one_at_a_time;  // held for a whole request
  httplib::Client http;      // guarded by one_at_a_time, but for stop(), which httplib allows from any thread
  std::atomic<bool> canceled{false};
  std::mutex flight_mutex;
  std::condition_variable landed;
  bool in_flight = false;  // guarded by flight_mutex
};

httplib::Request Client::State::make_request(const ClientRequest& request, Exchange& exchange) {
  httplib::Request out;
  out.method = request.method;
  out.path = request.target;
  for (const auto& [name, value] : request.headers) out.headers.emplace(name, value);
  if (!config.bearer_token.empty()) out.headers.emplace("Authorization", "Bearer " + config.bearer_token);
  out.body = request.body;
  if (!request.body.empty()) out.headers.emplace("Content-Type", request.content_type);
  out.response_handler = [&exchange](const httplib::Response& response) {
    take_head(exchange.response, response);
    return true;
  };
  out.content_receiver = [this, &exchange](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
    if (canceled) return false;
    const bool success = exchange.response.status / 100 == 2;
    if (success && exchange.on_success_octets) return exchange.on_success_octets({data, size});
    exchange.too_large = exchange.response.body.size() + size > config.max_response_bytes;
    if (!exchange.too_large) exchange.response.body.append(data, size);
    return !exchange.too_large;
  };
  return out;
}

Result<void> Client::State::perform(const ClientRequest& request, Exchange& exchange) {
  const std::lock_guard turn{one_at_a_time};
  http.set_read_timeout(request.read_timeout.value_or(config.read_timeout));
  const bool reused = http.is_socket_open() != 0;
  {
    const std::lock_guard lock{flight_mutex};
    if (canceled) return to_error(httplib::Error::Canceled, true);
    in_flight = true;
  }
  httplib::Request prepared = make_request(request, exchange);
  httplib::Response answer;
  httplib::Error error = httplib::Error::Success;
  bool done = http.send(prepared, answer, error);
  // A kept connection may have been closed by the server just now: then a request without effects is asked again.
  if (!done && reused && request.method == "GET" && exchange.response.status == 0 && !canceled) {
    prepared = make_request(request, exchange);
    done = http.send(prepared, answer, error);
  }
  {
    const std::lock_guard lock{flight_mutex};
    in_flight = false;
  }
  landed.notify_all();
  if (done) {
    // httplib calls no response_handler for an answer that has no body (204, HEAD).
    if (exchange.response.status == 0) take_head(exchange.response, answer);
    return {};
  }
  if (exchange.too_large) {
    return Error{ErrorCode::kResourceExhausted, reasons::kResponseTooLarge, "the answer exceeds the client's limit"};
  }
  return to_error(error, canceled);
}

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::create(ClientConfig config) {
  if (!url_is_plain(config.base_url)) {
    return Error{ErrorCode::kInvalidArgument, reasons::kUrlInvalid,
                 "not of the form https://host:port: " + config.base_url};
  }
  // OpenSSL writes with write(2): a peer that is gone would otherwise end the process.
  std::signal(SIGPIPE, SIG_IGN);
  auto state = std::make_unique<State>(std::move(config));
  httplib::Client& http = state->http;
  if (!http.is_valid()) {
    return Error{ErrorCode::kInvalidArgument, reasons::kTlsFiles,
                 "client certificate or key unusable: " + state->config.client_certificate_file};
  }
  http.set_keep_alive(true);
  http.set_url_encode(false);
  http.set_decompress(false);
  http.set_tcp_nodelay(true);
  http.set_connection_timeout(state->config.connect_timeout);
  http.set_write_timeout(state->config.write_timeout);
  if (starts_https(state->config.base_url)) {
    SSL_CTX* context = http.ssl_context();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    if (!state->config.ca_file.empty()) {
      http.set_ca_cert_path(state->config.ca_file);
      // httplib reads the file at the first connection and ignores failure; an unreadable file should be said now.
      if (SSL_CTX_load_verify_locations(context, state->config.ca_file.c_str(), nullptr) != 1) {
        return Error{ErrorCode::kInvalidArgument, reasons::kTlsFiles, "CA file unusable: " + state->config.ca_file};
      }
    }
  }
  return Client{std::move(state)};
}

Result<ClientResponse> Client::send(const ClientRequest& request) {
  State::Exchange exchange;
  MUSTER_TRY_VOID(state_->perform(request, exchange));
  return std::move(exchange.response);
}

Result<ClientResponse> Client::stream_lines(const ClientRequest& request,
                                            const std::function<bool(std::string_view line)>& on_line) {
  LineCutter cutter{on_line, state_->config.max_line_bytes};
  State::Exchange exchange;
  exchange.on_success_octets = [&cutter](std::string_view octets) { return cutter.feed(octets); };
  auto performed = state_->perform(request, exchange);
  if (cutter.too_long()) {
    return Error{ErrorCode::kResourceExhausted, reasons::kResponseTooLarge, "a line exceeds the client's limit"};
  }
  if (cutter.stopped()) return to_error(httplib::Error::Canceled, true);
  if (!performed.ok()) return std::move(performed).error();
  if (!cutter.finish()) return to_error(httplib::Error::Canceled, true);
  return std::move(exchange.response);
}

void Client::cancel() {
  std::unique_lock lock{state_->flight_mutex};
  state_->canceled = true;
  // stop() reaches only a socket that exists already: repeated until the request has really ended.
  while (state_->in_flight) {
    lock.unlock();
    state_->http.stop();
    lock.lock();
    state_->landed.wait_for(lock, std::chrono::milliseconds{20}, [this] { return !state_->in_flight; });
  }
}

}  // namespace muster::http
