// SPDX-License-Identifier: Apache-2.0
//
// Purpose: request and answer as the handlers see them. Nothing here knows sockets or TLS.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/error.h"
#include "http/body.h"

namespace muster::http {

// Header names are in lower case.
using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;                 // upper case
  std::string target;                 // as sent: path and query, still percent-encoded
  std::vector<std::string> segments;  // decoded path, without empty ones: "/v1/tenants/a" → v1, tenants, a
  std::map<std::string, std::string, std::less<>> query;       // decoded; a repeated key was refused
  std::map<std::string, std::string, std::less<>> parameters;  // of the route's pattern, for example "tenant"
  Headers headers;
  Body body;
  std::vector<Bytes> peer_chain;  // DER, end entity first: proven in the handshake and accepted by verify_client
  std::string remote_address;     // numeric, without port
  std::string request_id;         // ours, in every answer and log line
  bool over_tls = false;

  // The first header of that (lower-case) name. Empty optional: not sent.
  std::optional<std::string_view> header(std::string_view name) const;
  // A parameter of the route's pattern; the program aborts when the pattern has none of that name.
  const std::string& parameter(std::string_view name) const;
  bool from_loopback() const;
};

// BodyWriter takes the octets of a streamed answer.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  // False: the peer is gone or too slow, stop producing.
  virtual bool write(std::string_view octets) = 0;
};

struct Response {
  int status = 200;
  std::string content_type;  // empty: no body
  std::string body;
  Headers headers;
  // When set, the body is what it writes, sent in chunks as it comes; false cuts the connection, so that the peer sees
  // that the answer is incomplete.
  std::function<bool(BodyWriter&)> stream;
};

// json_response answers with application/json. `text` is JSON.
Response json_response(int status, std::string text);

// problem_response renders RFC 9457. `detail` is left out when empty.
struct Problem {
  int status = 500;
  std::string_view reason = "internal";
  std::string detail = {};
  std::string members = {};  // further ones, as JSON: ,"name":value
};
Response problem_response(const Problem& problem, std::string_view request_id);

// status_text is the reason phrase of RFC 9110 §15, also the title of a problem.
std::string_view status_text(int status);

}  // namespace muster::http
