// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "edge/posted_file.h"
#include "edge/session_news.h"
#include "edge/session_orders.h"
#include "support/temp_folder.h"

namespace muster::edge {
namespace {

SessionNews some_news() {
  SessionNews news;
  news.incarnation = IncarnationId::random();
  for (const auto kind : {SessionNewsKind::kBegan, SessionNewsKind::kSent, SessionNewsKind::kAnswered}) {
    news.entries.push_back({kind, TenantId::random(), DeviceId::random(), random_raw_id(), 123'456'789});
  }
  return news;
}

SessionOrders some_orders() {
  SessionOrders orders;
  orders.epoch = random_raw_id();
  orders.number = 77;
  SessionOrder cut;
  cut.device_id = DeviceId::random();
  cut.connection_id = ConnectionId::random();
  SessionOrder command = cut;
  command.kind = SessionOrderKind::kCommand;
  command.command_id = random_raw_id();
  command.name = "reboot";
  command.content_type = "text/plain";
  command.payload = Bytes(70'000, 7);
  command.expires = 1'000'000'007;
  orders.orders = {cut, command};
  return orders;
}

TEST(SessionFiles, WhatIsWrittenIsRead) {
  const SessionNews news = some_news();
  const SessionOrders orders = some_orders();
  EXPECT_EQ(decode_news(encode_news(news)).value(), news);
  EXPECT_EQ(decode_orders(encode_orders(orders)).value(), orders);
  EXPECT_EQ(decode_orders(encode_orders({orders.epoch, 1, {}})).value().orders.size(), 0u);
}

// Each octet in turn is another one, each length shorter: never accepted, never read past the end (sanitizers look).
TEST(SessionFiles, WhatIsTornOrFlippedIsRefused) {
  SessionOrders orders = some_orders();
  orders.orders[1].payload = Bytes(3, 1);
  for (const Bytes& whole : {encode_news(some_news()), encode_orders(orders)}) {
    for (std::size_t at = 0; at < whole.size(); ++at) {
      Bytes torn(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(at));
      EXPECT_FALSE(decode_news(torn).ok());
      EXPECT_FALSE(decode_orders(torn).ok());
      Bytes flipped = whole;
      flipped[at] ^= 0x41;
      EXPECT_FALSE(decode_news(flipped).ok());
      EXPECT_FALSE(decode_orders(flipped).ok());
    }
  }
}

TEST(SessionFiles, MoreThanTheFormatAllowsIsRefused) {
  SessionNews news = some_news();
  news.entries.resize(kMaxNewsEntries + 1, news.entries.front());
  EXPECT_FALSE(decode_news(encode_news(news)).ok());
  SessionOrders orders = some_orders();
  orders.orders.resize(kMaxOrderEntries + 1, orders.orders.front());
  EXPECT_FALSE(decode_orders(encode_orders(orders)).ok());
}

TEST(SessionFiles, NamesAreNumbersInOrder) {
  EXPECT_EQ(orders_name(42), "orders-00000000000000000042.orders");
  EXPECT_EQ(parse_orders_name(orders_name(42)), 42u);
  for (const char* other : {"", "orders-1.orders", "orders-0000000000000000004x.orders",
                            "orders-00000000000000000042.orders.new", "heartbeat"}) {
    EXPECT_EQ(parse_orders_name(other), std::nullopt) << other;
  }
  const test_support::TempFolder folder;
  const std::string path = (folder / "").string();
  for (const std::uint64_t number : {10, 9, 100}) {
    ASSERT_TRUE(post_file(path + news_name(number), as_bytes("x"), 0640).ok());
  }
  std::ofstream{path + news_name(1) + ".new"} << "unfinished";
  const auto found = list_news(path, 2);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_TRUE(found[0].ends_with(news_name(9)) && found[1].ends_with(news_name(10)));
  EXPECT_TRUE(list_news(path + "absent", 9).empty());
}

TEST(SessionFiles, AFileThatCannotBeWrittenLeavesNothing) {
  const test_support::TempFolder folder;
  const std::string path = (folder / "absent/file").string();
  EXPECT_EQ(post_file(path, as_bytes("x"), 0640).error().reason, "file.write_failed");
  EXPECT_TRUE(std::filesystem::is_empty(folder / ""));
}

}  // namespace
}  // namespace muster::edge
