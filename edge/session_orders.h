// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what the edge tells the brokers of its host to do with sessions, in numbered files of the folder `orders` of
// the snapshot folder: cut a connection that has a newer one elsewhere, hand a device a command. All brokers read all
// files; an order names one connection and does nothing elsewhere. Files go after a minute. Numbers are dense within
// one start of the edge (`epoch`): a plugin that finds a gap or another epoch tells of all its sessions again, and the
// server answers with what it missed. Grammar: docs/formats/sessions.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"

namespace muster::edge {

inline constexpr std::size_t kMaxOrdersBytes = 16U << 20;
inline constexpr std::size_t kMaxOrderEntries = 200;

enum class SessionOrderKind : std::uint8_t { kCut = 1, kCommand = 2 };

struct SessionOrder {
  SessionOrderKind kind = SessionOrderKind::kCut;
  DeviceId device_id;
  ConnectionId connection_id;
  // kCommand
  RawId command_id;
  std::string name;
  std::string content_type;
  Bytes payload;
  std::int64_t expires = 0;  // CLOCK_BOOTTIME in nanoseconds
  friend bool operator==(const SessionOrder&, const SessionOrder&) = default;
};

struct SessionOrders {
  RawId epoch;
  std::uint64_t number = 0;
  std::vector<SessionOrder> orders;
  friend bool operator==(const SessionOrders&, const SessionOrders&) = default;
};

std::string orders_folder(const std::string& snapshot_folder);
// "orders-<20 digits>.orders"
std::string orders_name(std::uint64_t number);
std::optional<std::uint64_t> parse_orders_name(std::string_view name);

Bytes encode_orders(const SessionOrders& orders);
// Reason: snapshot.corrupt.
Result<SessionOrders> decode_orders(BytesView file);

}  // namespace muster::edge
