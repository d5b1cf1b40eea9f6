// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the lines that the server sends to an edge, read strictly: a line of an unknown type, or with a field that
// is missing or malformed, is an error, since it might take a right away. Fields that we do not know are skipped.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "edge/identity_change.h"
#include "edge/identity_view.h"

namespace muster::edge {

struct StreamBegin {
  bool is_snapshot = false;
  StreamPosition from;      // of a list of changes; of a snapshot equal to `position`
  StreamPosition position;  // what the stream leads to
  UtcTime issued_at{};      // the server's clock
  // Of the heartbeat that this answer is; absent where the server could not sign.
  std::optional<HeartbeatSignature> signature;
};

struct StreamEnd {
  std::uint64_t count = 0;  // of the entity lines
  std::string digest;       // empty where the server sent none
};

using StreamLine = std::variant<StreamBegin, IdentityChange, StreamEnd>;

// Reason: edge.stream_malformed.
Result<StreamLine> parse_stream_line(std::string_view line);

struct DigestAnswer {
  StreamPosition position;
  std::string digest;
};
// The body of GET /v1/edge/digest. Reason: edge.stream_malformed.
Result<DigestAnswer> parse_digest_answer(std::string_view body);

}  // namespace muster::edge
