// SPDX-License-Identifier: Apache-2.0
//
// Connections that never come as far as CONNECT: they are few, they are gone in seconds, and nobody waits for them.
#include <atomic>
#include <thread>

#include "integration/auth_plugin/broker_lab.h"

namespace muster::test_support {
namespace {

class PluginHandshakes : public BrokerLab {
 protected:
  void SetUp() override { write_snapshot(everything()); }
  ~PluginHandshakes() override {
    for (const int fd : sockets_) ::close(fd);
  }

  int open_socket() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    sockets_.push_back(fd);
    return fd;
  }
  static bool has_ended(int fd) {
    char octet = 0;
    const ssize_t got = ::recv(fd, &octet, 1, MSG_DONTWAIT | MSG_PEEK);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
  }
  std::size_t count_ended() const { return static_cast<std::size_t>(std::ranges::count_if(sockets_, has_ended)); }

  std::vector<int> sockets_;
};

constexpr const char* kShortTimes = "plugin_opt_handshake_idle_seconds 1\nplugin_opt_handshake_seconds 2\n";

TEST_F(PluginHandshakes, TwoHundredSilentSocketsKeepNobodyOutAndAreClosedInSeconds) {
  start_broker(kShortTimes);
  const auto before = connect(a1_);
  for (int i = 0; i < 200; ++i) open_socket();
  EXPECT_EQ(connect(b1_)->connack(), 0);
  EXPECT_EQ(before->publish("acme/d1/telemetry", "x"), 0);
  EXPECT_TRUE(eventually([&] { return count_ended() == 200; }));
  EXPECT_EQ(before->publish("acme/d1/telemetry", "y"), 0) << "who is connected is left alone";
  EXPECT_TRUE(eventually([&] { return metric("muster_broker_handshakes_pending") == 0; }));
  EXPECT_GE(metric("muster_broker_connect_denials_total{reason=\"handshake.too_slow\"}"), 200);
}

TEST_F(PluginHandshakes, HalfAHandshakeAndATlsConnectionWithoutConnectAreClosedToo) {
  start_broker(kShortTimes);
  const int half = open_socket();
  const char hello_begins[] = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01};
  ASSERT_EQ(::send(half, hello_begins, sizeof hello_begins, 0), static_cast<ssize_t>(sizeof hello_begins));
  const int fd = open_socket();
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_use_certificate(context.get(), a1_.credential.certificate.get());
  SSL_CTX_use_PrivateKey(context.get(), a1_.credential.key.get());
  std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), SSL_free);
  SSL_set_fd(tls.get(), fd);
  ASSERT_EQ(SSL_connect(tls.get()), 1) << "the device is in order, it only says nothing";
  char octet = 0;
  EXPECT_LE(SSL_read(tls.get(), &octet, 1), 0);
  EXPECT_TRUE(eventually([&] { return has_ended(half); }));
}

TEST_F(PluginHandshakes, AFullHouseLetsNobodyElseInUntilTheSilentHaveBeenSilentForASecond) {
  start_broker("plugin_opt_max_handshakes 20\nplugin_opt_max_handshakes_of_address 100\n");
  for (int i = 0; i < 30; ++i) open_socket();
  EXPECT_TRUE(eventually([&] { return count_ended() >= 10; })) << "twenty have a place";
  EXPECT_TRUE(eventually([&] { return connect(a1_)->connack() == 0; }));
  EXPECT_TRUE(
      eventually([&] { return metric("muster_broker_connect_denials_total{reason=\"handshake.too_many\"}") >= 10; }));
}

TEST_F(PluginHandshakes, OneAddressHasOnlyItsShare) {
  start_broker("plugin_opt_max_handshakes 20\nplugin_opt_max_handshakes_of_address 5\n");
  ASSERT_EQ(connect(a1_)->connack(), 0) << "what looked whether the broker listens is gone by now";
  for (int i = 0; i < 8; ++i) open_socket();
  EXPECT_TRUE(eventually([&] { return count_ended() == 3; }));
  EXPECT_TRUE(eventually(
      [&] { return metric("muster_broker_connect_denials_total{reason=\"handshake.too_many_of_address\"}") == 3; }));
}

// A storm larger than one round of the loop serves: all get in, and who is connected is answered meanwhile.
TEST_F(PluginHandshakes, AStormIsServedInTurns) {
  start_broker();
  const auto publisher = connect(b1_);
  std::vector<std::jthread> storm;
  std::atomic<int> connected = 0;
  for (int i = 0; i < 24; ++i) {
    storm.emplace_back([&] {
      for (int round = 0; round < 4; ++round) {
        MqttOptions with = options(a1_);
        if (MqttClient(&a1_.credential, with).connack() == 0) ++connected;
      }
    });
  }
  int published = 0;
  while (connected < 40 && publisher->publish("beta/d1/telemetry", "x") == 0) ++published;
  storm.clear();
  EXPECT_GT(connected.load(), 40);
  EXPECT_GT(published, 0);
  EXPECT_TRUE(publisher->ping());
  EXPECT_TRUE(eventually([&] { return metric("muster_broker_handshake_deferrals") > 0; }));
}

}  // namespace
}  // namespace muster::test_support
