// SPDX-License-Identifier: Apache-2.0
#include "core/id.h"

#include "core/encoding.h"
#include "core/random.h"

namespace muster {

RawId random_raw_id() {
  RawId id;
  fill_random(id.octets);
  id.octets[6] = static_cast<std::uint8_t>((id.octets[6] & 0x0F) | 0x40);
  id.octets[8] = static_cast<std::uint8_t>((id.octets[8] & 0x3F) | 0x80);
  return id;
}

std::string to_uuid_text(const RawId& id) {
  const std::string hex = to_hex(id.octets);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

Result<RawId> parse_raw_id(std::string_view text) {
  const Error malformed{ErrorCode::kInvalidArgument, "id.malformed", ""};
  if (text.size() != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return malformed;
  std::string hex;
  for (const char c : text) {
    if (c >= 'A' && c <= 'F') return malformed;
    if (c != '-') hex += c;
  }
  if (hex.size() != 32) return malformed;
  const auto bytes = from_hex(hex);
  if (!bytes.ok()) return malformed;
  RawId id;
  std::memcpy(id.octets.data(), bytes->data(), id.octets.size());
  return id;
}

}  // namespace muster
