// SPDX-License-Identifier: Apache-2.0
//
// Connections that never come as far as CONNECT: they are few, they are gone in seconds, and nobody waits for them.
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <array>
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
  using Tls = std::unique_ptr<SSL, decltype(&SSL_free)>;
  // As far as a client can come by itself; nullptr where it is refused.
  Tls open_tls(const Device& device) {
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    SSL_CTX_use_certificate(context.get(), device.credential.certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), device.credential.key.get());
    Tls tls(SSL_new(context.get()), SSL_free);
    SSL_set_fd(tls.get(), open_socket());
    if (SSL_connect(tls.get()) != 1) tls.reset();
    return tls;
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
  const auto tls = open_tls(a1_);
  ASSERT_TRUE(tls) << "the device is in order, it only says nothing";
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

// Claims to be `of` and signs as `with`.
std::shared_ptr<EVP_PKEY> forged_key(EVP_PKEY& of, EVP_PKEY& with) {
  std::array<unsigned char, 200> point{};
  std::size_t size = 0;
  EXPECT_EQ(EVP_PKEY_get_octet_string_param(&of, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &size), 1);
  BIGNUM* secret = nullptr;
  EXPECT_EQ(EVP_PKEY_get_bn_param(&with, OSSL_PKEY_PARAM_PRIV_KEY, &secret), 1);
  OSSL_PARAM_BLD* build = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point.data(), size);
  OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, secret);
  OSSL_PARAM* parameters = OSSL_PARAM_BLD_to_param(build);
  EVP_PKEY* key = nullptr;
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr);
  EXPECT_EQ(EVP_PKEY_fromdata_init(context), 1);
  EXPECT_EQ(EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters), 1);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(build);
  BN_clear_free(secret);
  return {key, EVP_PKEY_free};
}

// A device that was cut so often that its next handshake rests for seconds.
class PluginRests : public PluginHandshakes {
 protected:
  void SetUp() override {
    PluginHandshakes::SetUp();
    start_broker(std::string("plugin_opt_device_publish_messages_per_second 1\n") +
                 "plugin_opt_device_publish_messages_burst 1\nplugin_opt_max_handshakes 5\n" +
                 "plugin_opt_max_handshakes_of_address 5\n");
    for (int connection = 0; connection < 5; ++connection) {
      const auto client = connect(a1_);
      ASSERT_EQ(client->connack(), 0);
      while (client->publish("acme/d1/telemetry", "x") == 0) {
      }
    }
  }
  bool rest(int count) {
    return eventually([&] { return metric("muster_broker_handshakes_resting") == count; });
  }
  bool rest_was_broken() {
    return eventually(
        [&] { return metric("muster_broker_connect_denials_total{reason=\"handshake.rest_broken\"}") == 1; });
  }
};

TEST_F(PluginRests, WhoLeavesMeanwhileIsGoneAtOnce) {
  const auto tls = open_tls(a1_);
  ASSERT_TRUE(tls);
  ASSERT_TRUE(rest(1));
  ::shutdown(SSL_get_fd(tls.get()), SHUT_RDWR);
  EXPECT_TRUE(rest_was_broken()) << "the broker's loop does not turn around a socket that nobody reads";
  EXPECT_TRUE(eventually([&] { return metric("muster_broker_handshakes_pending") == 0; }));
  EXPECT_EQ(connect(b1_)->connack(), 0);
}

TEST_F(PluginRests, WhoSendsALotMeanwhileIsEndedAndNothingOfItIsRead) {
  const auto tls = open_tls(a1_);
  ASSERT_TRUE(tls);
  ASSERT_TRUE(rest(1));
  const std::string junk(100'000, '\x10');
  (void)SSL_write(tls.get(), junk.data(), static_cast<int>(junk.size()));
  EXPECT_TRUE(rest_was_broken());
  EXPECT_TRUE(eventually([&] { return has_ended(SSL_get_fd(tls.get())); }));
  EXPECT_EQ(connect(b1_)->connack(), 0);
}

// Whoever shows the certificate of a device that rests, without its key, waits by itself and changes nothing for it.
TEST_F(PluginRests, AnothersCertificateWithoutItsKeyDoesNotProlongTheRest) {
  Device thief = a1_;
  thief.credential.key = forged_key(*a1_.credential.key, *a2_.credential.key);
  std::vector<Tls> thieves;
  for (int i = 0; i < 3; ++i) thieves.push_back(open_tls(thief));
  ASSERT_TRUE(rest(3)) << "they were taken for it, as far as that goes";
  EXPECT_EQ(connect(a1_)->connack(), 0);
  EXPECT_EQ(connect(a2_)->connack(), 0);
}

// A device, or a tenant whose admin set a limit that all its devices hit, that takes every place by resting there.
TEST_F(PluginRests, AHouseFullOfThoseWhoRestKeepsNobodyOut) {
  std::vector<Tls> resting;
  for (int i = 0; i < 5; ++i) resting.push_back(open_tls(a1_));
  ASSERT_TRUE(rest(5));
  EXPECT_EQ(connect(b1_)->connack(), 0);
  EXPECT_EQ(connect(a2_)->connack(), 0);
  EXPECT_GE(count_ended(), 1U);
}

// Where the gate has no time for the whole rest, CONNECT is refused instead.
TEST_F(PluginHandshakes, WhoComesOutOfItsRestTooSoonIsRefused) {
  start_broker(std::string(kShortTimes) +
               "plugin_opt_device_publish_messages_per_second 1\nplugin_opt_device_publish_messages_burst 1\n");
  const auto told_too_soon = [&] {
    MqttOptions with = options(a1_);
    with.version = 5;
    const auto client = connect(a1_, with);
    if (client->connack() == 0x9F) return true;
    while (client->publish("acme/d1/telemetry", "x") == 0) {
    }
    return false;
  };
  EXPECT_TRUE(eventually(told_too_soon, std::chrono::seconds(60)));
  EXPECT_TRUE(
      eventually([&] { return metric("muster_broker_limits_hit_total{reason=\"limit.return_too_soon\"}") >= 1; }));
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
