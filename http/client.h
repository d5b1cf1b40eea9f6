// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the HTTP client of the edge and the command line. TLS 1.2 or newer; the server's certificate and name are
// always verified, against `ca_file` alone when that is given. Redirects are not followed.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace muster::http {

struct ClientConfig {
  std::string base_url;                 // "https://host:port" or "http://host:port", no path
  std::string ca_file;                  // PEM; empty: the system's trust anchors
  std::string client_certificate_file;  // PEM, chain included; empty: no client certificate
  std::string client_key_file;          // PEM
  std::string bearer_token;             // sent as Authorization; empty: none
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds read_timeout{30'000};  // longest silence of the server while an answer is awaited
  std::chrono::milliseconds write_timeout{30'000};
  std::size_t max_response_bytes = 64u << 20;  // of a body that send() collects; stream_lines() has no such limit
  std::size_t max_line_bytes = 1u << 20;       // of one line of stream_lines()
};

struct ClientRequest {
  std::string method = "GET";
  std::string target;  // path and query, already percent-encoded: "/v1/tenants?limit=10"
  std::multimap<std::string, std::string> headers;
  std::string body;
  std::string content_type = "application/json";  // sent only with a body
  // For long polls: wait time of the query plus some slack; otherwise the configured read_timeout counts.
  std::optional<std::chrono::milliseconds> read_timeout;
};

struct ClientResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case; of repeated ones the first
  std::string body;                            // of stream_lines(): only when the status is not 2xx
};

// percent_encode encodes everything outside RFC 3986's unreserved characters, for one path segment or query value.
std::string percent_encode(std::string_view text);

// Client keeps one connection and reuses it. Thread-safe; requests go one after another (use one Client per thread for
// concurrency).
class Client {
 public:
  // Reasons: http.url_invalid, http.tls_files_unusable (the file is named in the detail).
  static Result<Client> create(ClientConfig config);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // Any status of the server is a value. Reasons: http.connect_failed, http.connection_lost,
  // http.server_certificate_invalid, http.response_too_large, http.canceled.
  Result<ClientResponse> send(const ClientRequest& request);

  // stream_lines hands every line (without '\n'; the last one also when it is unterminated) of a 2xx answer to
  // `on_line` as it arrives. `on_line` returns false to stop: then the reason is http.canceled. Reasons as send().
  Result<ClientResponse> stream_lines(const ClientRequest& request,
                                      const std::function<bool(std::string_view line)>& on_line);

  // cancel ends a request that another thread is waiting in, with http.canceled, and makes every later one fail the
  // same way: it is for shutting down.
  void cancel();

 private:
  struct State;
  explicit Client(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace muster::http
