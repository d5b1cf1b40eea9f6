// SPDX-License-Identifier: Apache-2.0
#include "http/message.h"

#include <cstdlib>

#include "core/encoding.h"

namespace muster::http {

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return std::nullopt;
}

const std::string& Request::parameter(std::string_view name) const {
  const auto found = parameters.find(name);
  if (found == parameters.end()) std::abort();
  return found->second;
}

bool Request::from_loopback() const {
  return remote_address.rfind("127.", 0) == 0 || remote_address == "::1" || remote_address.rfind("::ffff:127.", 0) == 0;
}

Response json_response(int status, std::string text) {
  Response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = std::move(text);
  return response;
}

Response problem_response(const Problem& problem, std::string_view request_id) {
  std::string text = R"({"type":"about:blank","title":)";
  append_json_string(text, status_text(problem.status));
  text.append(",\"status\":").append(std::to_string(problem.status)).append(",\"reason\":");
  append_json_string(text, problem.reason);
  if (!problem.detail.empty()) {
    text.append(",\"detail\":");
    append_json_string(text, problem.detail);
  }
  text.append(",\"request_id\":");
  append_json_string(text, request_id);
  text.append(problem.members).append("}");
  Response response = json_response(problem.status, std::move(text));
  response.content_type = "application/problem+json";
  return response;
}

std::string_view status_text(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

}  // namespace muster::http
