// SPDX-License-Identifier: Apache-2.0
//
// Purpose: keys that are known to others, such as those of Debian's OpenSSL of 2008 (CVE-2008-0166), keys of firmware
// images and of documentation. The list is the operator's: it grows, and it is too large to ship.
//
// The file: one key a line, 30 to 64 hexadecimal digits, the beginning of a SHA-256; empty lines and lines that begin
// with # are skipped. The hash is that of the SubjectPublicKeyInfo (DER), or of the key's number alone, big-endian
// without leading zeros: an RSA modulus, the first coordinate of a point. The list of the badkeys project has the
// latter, 15 octets and a number each: xxd -p -c 16 blocklist.dat | cut -c 1-30
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/record.h"
#include "core/result.h"

namespace muster::x509 {

// BlockedKeys is such a list in memory, 15 octets a key: 2^120 tries to meet one by chance. Immutable, thread-safe.
class BlockedKeys {
 public:
  // Reasons: file.* (core/file.h; at most 256 MiB), key.list_malformed (the detail names the line).
  static Result<BlockedKeys> load(const std::string& path);
  static Result<BlockedKeys> parse(std::string_view text);

  bool contains(BytesView spki, const Sha256& spki_sha256) const;
  std::size_t size() const { return prefixes_.size(); }

 private:
  using Prefix = std::array<std::uint8_t, 15>;
  bool holds(const Sha256& digest) const;
  std::vector<Prefix> prefixes_;  // sorted
};

}  // namespace muster::x509
