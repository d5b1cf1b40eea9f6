// SPDX-License-Identifier: Apache-2.0
#include "enroll/ip_network.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>
#include <optional>
#include <string>

#include "enroll/reasons.h"

namespace muster::enroll {

namespace {

using Octets = std::array<std::uint8_t, 16>;
constexpr unsigned kBits = 128;
constexpr unsigned kMappedBits = 96;
constexpr std::size_t kMaxText = 49;

struct Address {
  Octets octets{};
  bool is_v4 = false;
};

std::optional<Address> parse_address(std::string_view text) {
  if (text.empty() || text.size() > kMaxText || text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string zero_ended(text);
  Address address;
  if (inet_pton(AF_INET, zero_ended.c_str(), address.octets.data() + 12) == 1) {
    address.octets[10] = address.octets[11] = 0xFF;
    address.is_v4 = true;
    return address;
  }
  if (inet_pton(AF_INET6, zero_ended.c_str(), address.octets.data()) == 1) return address;
  return std::nullopt;
}

// The first `bits` bits of `octets`, the rest zero.
Octets masked(Octets octets, unsigned bits) {
  for (unsigned i = 0; i < octets.size(); ++i) {
    const unsigned kept = bits > 8 * i ? bits - 8 * i : 0;
    if (kept < 8) octets[i] &= static_cast<std::uint8_t>(0xFF00u >> kept);
  }
  return octets;
}

}  // namespace

Result<IpNetwork> IpNetwork::parse(std::string_view text) {
  const auto invalid = [&] {
    return Error{ErrorCode::kInvalidArgument, reasons::kClaimNetworkInvalid, std::string(text.substr(0, kMaxText))};
  };
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return invalid();
  const unsigned most = address->is_v4 ? kBits - kMappedBits : kBits;
  unsigned length = most;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (digits.empty() || digits.size() > 3 || error != std::errc{} || end != digits.data() + digits.size()) {
      return invalid();
    }
  }
  if (length > most) return invalid();
  IpNetwork network;
  network.octets_ = address->octets;
  network.prefix_ = length + (address->is_v4 ? kMappedBits : 0);
  if (masked(network.octets_, network.prefix_) != network.octets_) return invalid();
  return network;
}

bool IpNetwork::contains(std::string_view address) const {
  const auto parsed = parse_address(address);
  return parsed && masked(parsed->octets, prefix_) == octets_;
}

}  // namespace muster::enroll
