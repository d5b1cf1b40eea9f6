// SPDX-License-Identifier: Apache-2.0
#include "x509/extension_reader.h"

namespace muster::x509 {

std::optional<ExtensionView> read_extension(DerReaderView& list) {
  auto body = list.enter(tag::kSequence);
  if (!body) return std::nullopt;
  ExtensionView extension;
  const auto oid = body->read(tag::kOid);
  if (!oid) return std::nullopt;
  extension.oid = oid->contents;
  if (body->peek_tag() == tag::kBoolean) {
    const auto critical = body->read_boolean();
    if (!critical) return std::nullopt;
    extension.critical = *critical;
  }
  const auto value = body->read(tag::kOctetString);
  if (!value || !body->at_end()) return std::nullopt;
  extension.value = value->contents;
  return extension;
}

std::optional<std::uint16_t> read_reason_flags(BytesView contents) {
  if (contents.size() < 2 || contents.size() > 3 || contents[0] > 7) return std::nullopt;
  const std::uint8_t padding = static_cast<std::uint8_t>((1u << contents[0]) - 1);
  if ((contents.back() & padding) != 0) return std::nullopt;
  std::uint16_t flags = 0;
  for (unsigned bit = 0; bit < 8 * (contents.size() - 1); ++bit) {
    if ((contents[1 + bit / 8] & (0x80 >> (bit % 8))) != 0) flags |= static_cast<std::uint16_t>(1u << bit);
  }
  return flags;
}

}  // namespace muster::x509
