// SPDX-License-Identifier: Apache-2.0
#include "x509/blocked_keys.h"

#include <algorithm>

#include "core/encoding.h"
#include "core/file.h"
#include "x509/public_numbers.h"
#include "x509/reasons.h"
#include "x509/sha256.h"

namespace muster::x509 {

namespace {

constexpr std::size_t kMaxFileSize = 256u << 20;
constexpr std::size_t kPrefixDigits = 30;
constexpr std::size_t kMaxDigits = 64;

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  return line;
}

Sha256 hash_of_number(BytesView number) {
  while (!number.empty() && number.front() == 0) number = number.subspan(1);
  return sha256(number);
}

}  // namespace

Result<BlockedKeys> BlockedKeys::parse(std::string_view text) {
  BlockedKeys list;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(text);
    if (line.empty() || line.front() == '#') continue;
    const bool hexadecimal = line.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
    const auto octets = from_hex(line.substr(0, kPrefixDigits));
    if (line.size() < kPrefixDigits || line.size() > kMaxDigits || !hexadecimal || !octets.ok()) {
      return Error{ErrorCode::kInvalidArgument, reasons::kKeyListMalformed, "line " + std::to_string(number)};
    }
    std::ranges::copy(*octets, list.prefixes_.emplace_back().begin());
  }
  std::ranges::sort(list.prefixes_);
  list.prefixes_.shrink_to_fit();
  return list;
}

Result<BlockedKeys> BlockedKeys::load(const std::string& path) {
  MUSTER_TRY(const Bytes content, read_file(path, kMaxFileSize));
  return parse(as_text(content));
}

bool BlockedKeys::holds(const Sha256& digest) const {
  Prefix wanted;
  std::copy_n(digest.begin(), wanted.size(), wanted.begin());
  return std::ranges::binary_search(prefixes_, wanted);
}

bool BlockedKeys::contains(BytesView spki, const Sha256& spki_sha256) const {
  if (prefixes_.empty()) return false;
  if (holds(spki_sha256)) return true;
  if (const auto modulus = rsa_modulus(spki)) return holds(hash_of_number(*modulus));
  if (const auto coordinate = ec_first_coordinate(spki)) return holds(hash_of_number(*coordinate));
  return false;
}

}  // namespace muster::x509
