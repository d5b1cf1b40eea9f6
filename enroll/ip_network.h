// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/result.h"

namespace muster::enroll {

// IpNetwork is a CIDR block (RFC 4632, RFC 4291 §2.3), "192.0.2.0/24" or "2001:db8::/32"; an address alone stands for
// itself. IPv4-mapped IPv6 addresses count as the IPv4 address they carry.
class IpNetwork {
 public:
  // Bits behind the prefix must be zero: who writes 10.1.2.3/8 may have meant something else.
  // Reason: claim.network_invalid.
  static Result<IpNetwork> parse(std::string_view text);
  // `address` is numeric, without port or zone. False also for what is no address.
  bool contains(std::string_view address) const;

 private:
  std::array<std::uint8_t, 16> octets_{};
  unsigned prefix_ = 0;  // of the 128 bits; an IPv4 block's is 96 more than written
};

}  // namespace muster::enroll
