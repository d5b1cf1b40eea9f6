// SPDX-License-Identifier: Apache-2.0
#include "edge/session_orders.h"

#include "edge/sealed_file.h"
#include "edge/wire.h"

namespace muster::edge {
namespace {

constexpr std::string_view kMagic = "MUSTERSO";
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kPrefix = "orders-";
constexpr std::string_view kSuffix = ".orders";

SessionOrder read_order(WireReader& in) {
  SessionOrder order;
  order.kind = static_cast<SessionOrderKind>(in.u8());
  order.device_id = DeviceId{RawId{in.array<16>()}};
  order.connection_id = ConnectionId{RawId{in.array<16>()}};
  if (order.kind != SessionOrderKind::kCommand) return order;
  order.command_id = RawId{in.array<16>()};
  order.name = std::string(in.text16());
  order.content_type = std::string(in.text16());
  order.expires = in.i64();
  const std::uint32_t size = in.u32();
  order.payload = to_bytes(as_text(in.octets(size)));
  return order;
}

}  // namespace

std::string orders_folder(const std::string& snapshot_folder) { return snapshot_folder + "/orders"; }

std::string orders_name(std::uint64_t number) { return numbered_name(kPrefix, number, kSuffix); }

std::optional<std::uint64_t> parse_orders_name(std::string_view name) {
  return parse_numbered_name(kPrefix, name, kSuffix);
}

Bytes encode_orders(const SessionOrders& orders) {
  Bytes out;
  WireWriter w{out};
  w.octets(as_bytes(kMagic));
  w.u32(kVersion);
  w.octets(orders.epoch.octets);
  w.u64(orders.number);
  w.count16(orders.orders.size());
  for (const SessionOrder& order : orders.orders) {
    w.u8(static_cast<std::uint8_t>(order.kind));
    w.octets(order.device_id.octets());
    w.octets(order.connection_id.octets());
    if (order.kind != SessionOrderKind::kCommand) continue;
    w.octets(order.command_id.octets);
    w.text16(order.name);
    w.text16(order.content_type);
    w.i64(order.expires);
    w.u32(static_cast<std::uint32_t>(order.payload.size()));
    w.octets(order.payload);
  }
  seal(out);
  return out;
}

Result<SessionOrders> decode_orders(BytesView file) {
  const Error broken{ErrorCode::kCorrupt, "snapshot.corrupt", "orders are broken"};
  MUSTER_TRY(const BytesView body, unseal(file));
  WireReader in{body};
  const auto magic = in.array<8>();
  if (as_text(magic) != kMagic || in.u32() != kVersion) return broken;
  SessionOrders orders;
  orders.epoch = RawId{in.array<16>()};
  orders.number = in.u64();
  for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left) {
    orders.orders.push_back(read_order(in));
    const auto kind = orders.orders.back().kind;
    if (kind != SessionOrderKind::kCut && kind != SessionOrderKind::kCommand) return broken;
  }
  if (!in.ok() || !in.rest().empty() || orders.orders.size() > kMaxOrderEntries) return broken;
  return orders;
}

}  // namespace muster::edge
