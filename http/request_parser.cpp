// SPDX-License-Identifier: Apache-2.0
#include "http/request_parser.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "http/reasons.h"
#include "http/target.h"

namespace muster::http {
namespace {

constexpr std::size_t kMaxChunkLine = 256;  // size and extensions, which nobody uses
constexpr std::size_t kMaxTrailer = 4'096;  // read and dropped
// What appears at most once in a request that means one thing.
constexpr std::array<std::string_view, 8> kSingletons{"host",         "content-length",  "transfer-encoding",
                                                      "content-type", "authorization",   "idempotency-key",
                                                      "expect",       "content-encoding"};

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c < 0x80 && std::isalnum(c)) ||
           std::string_view{"!#$%&'*+-.^_`|~"}.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool is_field_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Digits of one base only; at most 15 of them, so nothing overflows.
std::optional<std::uint64_t> parse_number(std::string_view text, int base) {
  std::uint64_t value = 0;
  if (text.empty() || text.size() > 15) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

RequestParser::Step RequestParser::fail(ErrorCode code, std::string_view reason, std::string detail) {
  error_ = Error{code, reason, std::move(detail)};
  state_ = State::kFailed;
  keep_alive_ = false;  // where the next request would start is unknown
  return Step::kFailed;
}

RequestParser::Step RequestParser::malformed(std::string detail) {
  return fail(ErrorCode::kInvalidArgument, reasons::kMalformed, std::move(detail));
}

void RequestParser::reset() {
  state_ = State::kHead;
  request_ = Request{};
  error_.reset();
  keep_alive_ = true;
  http_1_0_ = expects_continue_ = chunked_ = false;
  remaining_ = 0;
  trailer_bytes_ = 0;
}

RequestParser::Step RequestParser::step() {
  switch (state_) {
    case State::kHead: return parse_head();
    case State::kHeadDone: return Step::kHeadComplete;
    case State::kDone: return Step::kComplete;
    case State::kFailed: return Step::kFailed;
    default: break;
  }
  Step step = Step::kNeedMore;
  State before;
  do {
    before = state_;
    step = body_step();
  } while (step == Step::kNeedMore && state_ != before);
  return step;
}

RequestParser::Step RequestParser::parse_head() {
  // RFC 9112 §2.2: an empty line before a request line is to be ignored.
  while (buffer_.rfind("\r\n", 0) == 0) buffer_.erase(0, 2);
  const std::size_t end = buffer_.find("\r\n\r\n");
  const std::size_t line_end = std::min(buffer_.find("\r\n"), buffer_.size());
  if (line_end > limits_.max_target_bytes + 32) {
    return fail(ErrorCode::kInvalidArgument, reasons::kTargetTooLong, "the request line is too long");
  }
  if (std::min(end, buffer_.size()) > limits_.max_head_bytes) {
    return fail(ErrorCode::kInvalidArgument, reasons::kHeadersTooLarge, "the header section is too large");
  }
  if (end == std::string::npos) return Step::kNeedMore;
  const std::string head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  if (!parse_request_line(std::string_view{head}.substr(0, line_end))) return Step::kFailed;
  std::string_view rest = std::string_view{head}.substr(line_end + 2);
  while (!rest.empty()) {
    const std::size_t stop = rest.find("\r\n");
    if (!parse_header_line(rest.substr(0, stop))) return Step::kFailed;
    rest.remove_prefix(stop + 2);
  }
  if (!interpret_headers()) return Step::kFailed;
  state_ = State::kHeadDone;
  return Step::kHeadComplete;
}

bool RequestParser::parse_request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return malformed("the request line is malformed"), false;
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method) || method.size() > 32) return malformed("the method is not a token"), false;
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return fail(ErrorCode::kInvalidArgument, reasons::kVersionUnsupported, "HTTP/1.1 is spoken here"), false;
  }
  http_1_0_ = version == "HTTP/1.0";
  auto parsed = parse_target(target, limits_.opaque_prefix);
  if (!parsed.ok()) return fail(parsed.error().code, parsed.error().reason, parsed.error().detail), false;
  request_.method = method;
  request_.target = target;
  request_.segments = std::move(parsed->segments);
  request_.query = std::move(parsed->query);
  return true;
}

bool RequestParser::parse_header_line(std::string_view line) {
  if (request_.headers.size() >= limits_.max_headers) {
    return fail(ErrorCode::kInvalidArgument, reasons::kHeadersTooLarge, "too many header fields"), false;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return malformed("a header field has no colon"), false;
  const std::string_view value = trim(line.substr(colon + 1));
  if (!is_token(line.substr(0, colon))) return malformed("a header field's name is not a token"), false;
  if (!is_field_value(value)) return malformed("a header field holds a control character"), false;
  std::string name = lower(line.substr(0, colon));
  const bool single = std::find(kSingletons.begin(), kSingletons.end(), name) != kSingletons.end();
  if (single && request_.header(name)) return malformed("a header field comes twice: " + name), false;
  request_.headers.emplace_back(std::move(name), value);
  return true;
}

bool RequestParser::interpret_headers() {
  if (!http_1_0_ && !request_.header("host")) return malformed("the Host header field is missing"), false;
  const std::string connection = lower(request_.header("connection").value_or(""));
  keep_alive_ = http_1_0_ ? connection == "keep-alive" : connection.find("close") == std::string::npos;
  const std::string expect = lower(request_.header("expect").value_or(""));
  expects_continue_ = expect == "100-continue" && !http_1_0_;
  const std::string encoding = lower(request_.header("content-encoding").value_or("identity"));
  if (encoding != "identity") {
    return fail(ErrorCode::kUnsupported, reasons::kEncodingUnsupported, "send the body uncompressed"), false;
  }
  return interpret_length(request_.header("content-length"), request_.header("transfer-encoding"));
}

bool RequestParser::interpret_length(std::optional<std::string_view> length, std::optional<std::string_view> coding) {
  if (coding) {
    if (length || http_1_0_) return malformed("Transfer-Encoding beside Content-Length or in HTTP/1.0"), false;
    if (lower(*coding) != "chunked") return malformed("the transfer coding is not supported"), false;
    chunked_ = true;
    return true;
  }
  if (!length) return true;
  const auto number = parse_number(*length, 10);
  if (!number) return malformed("Content-Length is not a number"), false;
  remaining_ = *number;
  return true;
}

Result<void> RequestParser::begin_body(BodyStorage storage, std::size_t max_bytes) {
  max_body_bytes_ = max_bytes;
  if (!chunked_ && remaining_ > max_bytes) {
    return Error{ErrorCode::kResourceExhausted, reasons::kBodyTooLarge,
                 "at most " + std::to_string(max_bytes) + " octets are taken here"};
  }
  if (storage == BodyStorage::kFile) {
    MUSTER_TRY(request_.body, Body::in_file());
  }
  if (chunked_) {
    state_ = State::kChunkSize;
  } else {
    state_ = remaining_ == 0 ? State::kDone : State::kFixedBody;
  }
  return {};
}

RequestParser::Step RequestParser::body_step() {
  switch (state_) {
    case State::kFixedBody:
    case State::kChunkData: return take_body_octets();
    case State::kChunkSize: return parse_chunk_size();
    case State::kChunkEnd: {
      if (buffer_.size() < 2) return Step::kNeedMore;
      if (buffer_.rfind("\r\n", 0) != 0) return malformed("a chunk does not end where it says");
      buffer_.erase(0, 2);
      state_ = State::kChunkSize;
      return Step::kNeedMore;
    }
    case State::kTrailer: {
      const auto line = take_line(kMaxTrailer - trailer_bytes_);
      if (error_) return Step::kFailed;
      if (!line) return Step::kNeedMore;
      trailer_bytes_ += line->size();
      if (!line->empty()) return body_step();
      state_ = State::kDone;
      return Step::kComplete;
    }
    default: return Step::kComplete;
  }
}

RequestParser::Step RequestParser::take_body_octets() {
  const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, buffer_.size()));
  auto appended = request_.body.append(std::string_view{buffer_}.substr(0, count));
  if (!appended.ok()) return fail(appended.error().code, appended.error().reason, appended.error().detail);
  buffer_.erase(0, count);
  remaining_ -= count;
  if (remaining_ > 0) return Step::kNeedMore;
  state_ = state_ == State::kFixedBody ? State::kDone : State::kChunkEnd;
  return state_ == State::kDone ? Step::kComplete : Step::kNeedMore;
}

RequestParser::Step RequestParser::parse_chunk_size() {
  const auto line = take_line(kMaxChunkLine);
  if (error_) return Step::kFailed;
  if (!line) return Step::kNeedMore;
  const auto size = parse_number(trim(std::string_view{*line}.substr(0, line->find(';'))), 16);
  if (!size) return malformed("a chunk's size is not a number");
  if (request_.body.size() + *size > max_body_bytes_) {
    return fail(ErrorCode::kResourceExhausted, reasons::kBodyTooLarge,
                "at most " + std::to_string(max_body_bytes_) + " octets are taken here");
  }
  remaining_ = *size;
  state_ = *size == 0 ? State::kTrailer : State::kChunkData;
  return Step::kNeedMore;
}

std::optional<std::string> RequestParser::take_line(std::size_t max) {
  const std::size_t end = buffer_.find("\r\n");
  if (std::min(end, buffer_.size()) > max) {
    malformed("a line of the chunked body is too long");
    return std::nullopt;
  }
  if (end == std::string::npos) return std::nullopt;
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

}  // namespace muster::http
