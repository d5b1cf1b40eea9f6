// SPDX-License-Identifier: Apache-2.0
//
// Purpose: reads HTTP/1.1 requests (RFC 9112) from octets as they arrive. Strict, because what two readers of one
// stream understand differently is an attack: CRLF only, no folded lines, no space before the colon, one Content-Length
// of digits, `chunked` as the only transfer coding and never beside a Content-Length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/result.h"
#include "http/message.h"

namespace muster::http {

struct ParserLimits {
  std::size_t max_target_bytes = 8'192;
  std::size_t max_head_bytes = 16'384;
  std::size_t max_headers = 64;
  // "/ocsp/": what follows it in a path is one segment, slashes and all. RFC 5019 puts base64 there, and clients differ
  // in what they encode of it. Empty: no such place.
  std::string opaque_prefix;
};

// RequestParser is confined to whoever drives its connection. Use: feed(), then step() until it wants more octets;
// after kHeadComplete call begin_body(), after kComplete take the request and call reset().
class RequestParser {
 public:
  enum class Step { kNeedMore, kHeadComplete, kComplete, kFailed };

  explicit RequestParser(ParserLimits limits) : limits_(std::move(limits)) {}

  void feed(std::string_view octets) { buffer_.append(octets); }
  Step step();
  // Where the body goes and how large it may become. Reasons: request.body_too_large when the declared length says so
  // already; internal.
  Result<void> begin_body(BodyStorage storage, std::size_t max_bytes);

  Request& request() { return request_; }
  Error take_error() { return std::move(*error_); }  // after kFailed
  bool keep_alive() const { return keep_alive_; }
  bool expects_continue() const { return expects_continue_; }
  bool has_body() const { return chunked_ || remaining_ > 0; }
  // Of its head: longer than `octets`, or of unknown length.
  bool body_may_exceed(std::size_t octets) const { return chunked_ || remaining_ > octets; }
  bool is_empty() const { return buffer_.empty() && state_ == State::kHead; }  // nothing of a request arrived yet
  std::size_t body_bytes() const { return request_.body.size(); }
  void reset();

 private:
  enum class State { kHead, kHeadDone, kFixedBody, kChunkSize, kChunkData, kChunkEnd, kTrailer, kDone, kFailed };

  Step fail(ErrorCode code, std::string_view reason, std::string detail);
  Step malformed(std::string detail);
  Step parse_head();
  bool parse_request_line(std::string_view line);
  bool parse_header_line(std::string_view line);
  bool interpret_headers();
  bool interpret_length(std::optional<std::string_view> length, std::optional<std::string_view> coding);
  Step body_step();
  Step take_body_octets();
  Step parse_chunk_size();
  std::optional<std::string> take_line(std::size_t max);

  const ParserLimits limits_;
  std::string buffer_;
  State state_ = State::kHead;
  Request request_;
  std::optional<Error> error_;
  bool keep_alive_ = true;
  bool http_1_0_ = false;
  bool expects_continue_ = false;
  bool chunked_ = false;
  std::uint64_t remaining_ = 0;  // of the fixed body or the chunk
  std::size_t max_body_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
};

}  // namespace muster::http
