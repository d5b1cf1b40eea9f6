// SPDX-License-Identifier: Apache-2.0
#include "edge/sealed_file.h"

#include <charconv>
#include <cstdio>

#include "core/crc32c.h"
#include "edge/wire.h"

namespace muster::edge {
namespace {

constexpr std::size_t kChecksumSize = 4;
constexpr std::size_t kDigits = 20;

}  // namespace

void seal(Bytes& file) { WireWriter{file}.u32(crc32c(file)); }

Result<BytesView> unseal(BytesView file) {
  const Error corrupt{ErrorCode::kCorrupt, "snapshot.corrupt", "the checksum is wrong"};
  if (file.size() < kChecksumSize) return corrupt;
  const BytesView covered = file.first(file.size() - kChecksumSize);
  if (WireReader{file.last(kChecksumSize)}.u32() != crc32c(covered)) return corrupt;
  return covered;
}

std::string numbered_name(std::string_view prefix, std::uint64_t number, std::string_view suffix) {
  char digits[kDigits + 1];
  std::snprintf(digits, sizeof digits, "%020llu", static_cast<unsigned long long>(number));
  return std::string(prefix).append(digits).append(suffix);
}

std::optional<std::uint64_t> parse_numbered_name(std::string_view prefix, std::string_view name,
                                                 std::string_view suffix) {
  if (name.size() != prefix.size() + kDigits + suffix.size()) return std::nullopt;
  std::uint64_t number = 0;
  const char* digits = name.data() + prefix.size();
  const auto parsed = std::from_chars(digits, digits + kDigits, number);
  if (parsed.ec != std::errc{} || numbered_name(prefix, number, suffix) != name) return std::nullopt;
  return number;
}

}  // namespace muster::edge
