// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace muster {

// Where a certificate of a customer's own PKI carries the device id. The numbers are those of the snapshot's format.
enum class DeviceIdSource : std::uint8_t { kUriSan = 1, kDnsSan = 2, kCommonName = 3, kSerialNumber = 4 };

// What the REST interface and the registry call them.
constexpr std::string_view to_string(DeviceIdSource source) {
  switch (source) {
    case DeviceIdSource::kUriSan: return "uri-san";
    case DeviceIdSource::kDnsSan: return "dns-san";
    case DeviceIdSource::kCommonName: return "cn";
    case DeviceIdSource::kSerialNumber: return "serial-number";
  }
  return "";
}

constexpr std::optional<DeviceIdSource> parse_device_id_source(std::string_view text) {
  for (const auto source :
       {DeviceIdSource::kUriSan, DeviceIdSource::kDnsSan, DeviceIdSource::kCommonName, DeviceIdSource::kSerialNumber}) {
    if (to_string(source) == text) return source;
  }
  return std::nullopt;
}

}  // namespace muster
