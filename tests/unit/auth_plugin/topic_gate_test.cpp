// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/topic_gate.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "auth-plugin/reasons.h"
#include "core/topic_filter.h"
#include "edge/base_file_writer.h"
#include "edge/snapshot_loader.h"
#include "support/denial_wal.h"
#include "support/filled_hash.h"

namespace muster::auth_plugin {
namespace {

using test_support::filled_hash;

const UtcTime kNow{std::chrono::seconds{1'800'000'000}};
const int kPlaces[4] = {};  // stand-ins for the broker's client objects, of which only the address counts

class FixedClock final : public Clock {
 public:
  UnixMicros now_micros() const override { return now.time_since_epoch().count() * 1'000'000; }
  UtcTime now = kNow;
};

// One tenant with devices d1 and d2, both with a certificate.
class TopicGateOf : public testing::Test {
 protected:
  TopicGateOf() {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    issuer_.tenant_id = tenant_.id;
    issuer_.spki_sha256 = filled_hash(9);
    for (std::uint8_t i = 0; i < 2; ++i) {
      devices_[i].id = DeviceId::random();
      devices_[i].tenant_id = tenant_.id;
      devices_[i].name = "d" + std::to_string(i + 1);
      certificates_[i] = {filled_hash(i),
                          tenant_.id,
                          devices_[i].id,
                          issuer_.id,
                          edge::EntityStatus::kActive,
                          kNow + std::chrono::hours(1)};
    }
    publish({tenant_, issuer_, devices_[0], devices_[1], certificates_[0], certificates_[1]});
  }
  ~TopicGateOf() override { std::filesystem::remove_all(folder_); }

  // The next state of the registry.
  void publish(const std::vector<edge::IdentityChange>& changes) {
    ++generation_;
    if (!view_) {
      EXPECT_TRUE(edge::write_base_file(edge::base_path(folder_), 0600, {RawId{}, 1}, changes).ok());
      view_ = edge::load_base(folder_, geteuid()).value();
    } else {
      view_ = view_->with({RawId{}, generation_}, changes);
    }
    auto state = std::make_shared<IdentityState>();
    state->view = view_;
    state->generation = generation_;
    identity_.publish(state, {});
  }

  std::shared_ptr<Session> connect(const void* context, std::size_t device) {
    Session session;
    session.principal = "acme/" + devices_[device].name;
    session.tenant_id = tenant_.id;
    session.device_id = devices_[device].id;
    session.connection.id = ConnectionId::random();
    session.connection.certificate_id = session.connection.credential_id = certificates_[device].id;
    session.connection.anchor_key = issuer_.spki_sha256;
    session.connection.not_after = certificates_[device].not_after;
    auto admitted = sessions_.admit(context, session);
    admitted->queue_is_foreign = false;
    return admitted;
  }

  bool may_publish(const void* context, std::string_view principal, std::string_view topic, bool retain = false) {
    static constexpr std::uint8_t kPayload[] = {1};
    MessageView message;
    message.topic = topic;
    message.payload = kPayload;
    message.retain = retain;
    return gate_.may_write({context, principal, principal, true, true}, message);
  }
  // The broker asks in the name of the sender of a retained message, with a made-up client.
  bool may_be_delivered(std::string_view sender, std::string_view topic) {
    MessageView message;
    message.topic = topic;
    return gate_.may_write({&kPlaces[3], sender, sender, false, false}, message);
  }

  std::string folder_ = "/tmp/muster-topics-XXXXXX";
  edge::TenantState tenant_{TenantId::random(), "acme"};
  edge::IssuerState issuer_{.id = IssuerId::random(), .tenant_id = {}, .certificate = {}};
  edge::DeviceState devices_[2];
  edge::CertificateState certificates_[2];
  std::shared_ptr<const edge::SnapshotView> view_;
  std::uint64_t generation_ = 0;
  test_support::DenialWal wal_;
  FixedClock clock_;
  BrokerMetrics metrics_;
  Journal journal_{wal_, metrics_, clock_, [](LogLevel, const std::string&) {}};
  IdentityExchange identity_;
  SessionTable sessions_{16};
  TopicGate gate_{{sessions_, identity_, metrics_, journal_, clock_, 16}};
};

TEST_F(TopicGateOf, NextDecisionSeesANewState) {
  connect(&kPlaces[0], 0);
  ASSERT_TRUE(may_publish(&kPlaces[0], "acme/d1", "acme/d1/telemetry/x"));

  auto suspended = devices_[0];
  suspended.status = edge::EntityStatus::kSuspended;
  publish({suspended});
  EXPECT_FALSE(may_publish(&kPlaces[0], "acme/d1", "acme/d1/telemetry/x"));
  publish({devices_[0]});
  EXPECT_TRUE(may_publish(&kPlaces[0], "acme/d1", "acme/d1/telemetry/x"));

  auto revoked = certificates_[0];
  revoked.status = edge::EntityStatus::kGone;
  publish({revoked});
  EXPECT_FALSE(may_publish(&kPlaces[0], "acme/d1", "acme/d1/telemetry/x"));
  EXPECT_FALSE(gate_.may_receive({&kPlaces[0], "acme/d1", "acme/d1", true, true}, "acme/d1/commands/x"));
}

TEST_F(TopicGateOf, CertificateEndsWithItsLastSecond) {
  connect(&kPlaces[0], 0);
  clock_.now = certificates_[0].not_after;
  EXPECT_TRUE(may_publish(&kPlaces[0], "acme/d1", "acme/d1/telemetry/x"));
  clock_.now += std::chrono::seconds(1);
  EXPECT_FALSE(may_publish(&kPlaces[0], "acme/d1", "acme/d1/telemetry/x"));
}

TEST_F(TopicGateOf, PointerThatTheBrokerUsesAgainIsNobodysCredential) {
  connect(&kPlaces[0], 0);
  ASSERT_TRUE(may_publish(&kPlaces[0], "acme/d1", "acme/d1/telemetry/x"));
  sessions_.disconnect(&kPlaces[0]);
  connect(&kPlaces[0], 1);

  EXPECT_TRUE(may_publish(&kPlaces[0], "acme/d2", "acme/d2/telemetry/x"));
  EXPECT_FALSE(may_publish(&kPlaces[0], "acme/d2", "acme/d1/telemetry/x"));
  EXPECT_FALSE(may_publish(&kPlaces[0], "acme/d3", "acme/d2/telemetry/x"));
}

TEST_F(TopicGateOf, OneKindOfDenialDoesNotHideAnother) {
  connect(&kPlaces[0], 0);
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(may_publish(&kPlaces[0], "acme/d1", "acme/d2/telemetry/x"));
    EXPECT_FALSE(may_publish(&kPlaces[0], "acme/d1", "$SYS/x"));
  }
  const std::vector<std::string> expected = {std::string(reasons::kNotInPolicy), std::string(reasons::kDollarTopic)};
  EXPECT_EQ(wal_.denials, expected);
}

TEST_F(TopicGateOf, TopicsBeyondOurLimitsAreInvalid) {
  connect(&kPlaces[0], 0);
  const auto allowed = [&](std::string_view rest) {
    return may_publish(&kPlaces[0], "acme/d1", "acme/d1/telemetry/" + std::string(rest));
  };
  std::string levels;
  for (int i = 4; i < kMaxTopicLevels; ++i) levels += "a/";
  EXPECT_TRUE(allowed(levels + "a"));
  EXPECT_FALSE(allowed(levels + "a/a"));
  for (const char* bad : {"+", "#", "a\x01", "a\x7f", "\n"}) {
    // Wherever it stands: octets are looked at in blocks.
    for (std::size_t before = 0; before < 40; ++before) {
      EXPECT_FALSE(allowed(std::string(before, 'a') + bad)) << before;
      EXPECT_FALSE(allowed(std::string(before, 'a') + bad + std::string(40 - before, 'b'))) << before;
    }
  }
  EXPECT_TRUE(allowed(std::string(300, '~')));
  EXPECT_TRUE(allowed("\xc3\xa9"));
}

TEST_F(TopicGateOf, EveryDecisionIsCountedOnce) {
  const auto decisions = [&](const std::string& access, const std::string& verdict) {
    const std::string page = metrics_.render();
    const std::string sample =
        "muster_broker_acl_decisions_total{access=\"" + access + "\",verdict=\"" + verdict + "\"} ";
    const auto at = page.find(sample);
    return at == std::string::npos ? -1 : std::stoi(page.substr(at + sample.size()));
  };
  connect(&kPlaces[0], 0);
  connect(&kPlaces[1], 1);
  ASSERT_TRUE(may_publish(&kPlaces[0], "acme/d1", "acme/d1/state/x", true));
  EXPECT_EQ(decisions("publish", "allowed"), 1);
  EXPECT_TRUE(may_be_delivered("acme/d1", "acme/d1/state/x"));
  EXPECT_FALSE(may_be_delivered("acme/d1", "acme/d1/state/never-set")) << "its owner is not known";
  EXPECT_EQ(decisions("retained", "allowed"), 1);
  EXPECT_EQ(decisions("retained", "denied"), 1);
  for (std::size_t i = 0; i <= Session::kMaxSubscriptions; ++i) {
    const std::string filter = "acme/d1/commands/" + std::to_string(i);
    EXPECT_EQ(gate_.may_subscribe({&kPlaces[0], "acme/d1", "acme/d1", true, true}, filter),
              i < Session::kMaxSubscriptions);
  }
  EXPECT_EQ(decisions("subscribe", "allowed"), static_cast<int>(Session::kMaxSubscriptions));
  EXPECT_EQ(decisions("subscribe", "denied"), 1);
}

TEST_F(TopicGateOf, RetainedMessageOfADeviceThatIsGoneMakesRoom) {
  connect(&kPlaces[0], 0);
  ASSERT_TRUE(may_publish(&kPlaces[0], "acme/d1", "acme/d1/state/x", true));
  ASSERT_TRUE(may_be_delivered("acme/d1", "acme/d1/state/x"));
  ASSERT_EQ(gate_.retained_topics(), 1U);

  auto gone = devices_[0];
  gone.status = edge::EntityStatus::kGone;
  publish({gone});
  gate_.look_for_gone_owners({.everything = false, .tenants = {}, .devices = {devices_[0].id, devices_[1].id}});
  ASSERT_TRUE(gate_.has_owners_to_look_at());
  while (gate_.has_owners_to_look_at()) gate_.look_at_owner();
  EXPECT_EQ(gate_.retained_topics(), 0U);
  EXPECT_FALSE(may_be_delivered("acme/d1", "acme/d1/state/x"));
}

TEST_F(TopicGateOf, RetainedMessageOfASuspendedDeviceStaysItsOwn) {
  connect(&kPlaces[0], 0);
  ASSERT_TRUE(may_publish(&kPlaces[0], "acme/d1", "acme/d1/state/x", true));
  auto suspended = devices_[0];
  suspended.status = edge::EntityStatus::kSuspended;
  publish({suspended});
  gate_.look_for_gone_owners({.everything = true, .tenants = {}, .devices = {}});
  while (gate_.has_owners_to_look_at()) gate_.look_at_owner();
  EXPECT_EQ(gate_.retained_topics(), 1U);

  auto tenant = tenant_;
  tenant.status = edge::EntityStatus::kGone;
  publish({tenant});
  gate_.look_for_gone_owners({.everything = false, .tenants = {tenant.id}, .devices = {}});
  while (gate_.has_owners_to_look_at()) gate_.look_at_owner();
  EXPECT_EQ(gate_.retained_topics(), 0U);
}

// Far more connections than the cache begins with, and places that several of them share.
TEST(SessionTableCache, FindsEveryConnectionWhileTheyComeAndGo) {
  constexpr std::size_t kConnections = 3000;
  SessionTable table(kConnections);
  std::vector<std::unique_ptr<int>> contexts;
  const auto principal = [](std::size_t i) { return "acme/d" + std::to_string(i); };
  for (std::size_t i = 0; i < kConnections; ++i) {
    Session session;
    session.principal = principal(i);
    session.device_id = DeviceId::random();
    session.connection.id = ConnectionId::random();
    contexts.push_back(std::make_unique<int>());
    table.admit(contexts.back().get(), session);
  }
  for (std::size_t i = 0; i < kConnections; i += 3) table.disconnect(contexts[i].get());

  for (std::size_t i = 0; i < kConnections; ++i) {
    const Session* found = table.find(contexts[i].get(), principal(i), principal(i));
    ASSERT_NE(found, nullptr) << i;
    EXPECT_EQ(found->principal, principal(i));
    EXPECT_EQ(found->online, i % 3 != 0);
    EXPECT_EQ(table.find(contexts[i].get(), principal(i), principal((i + 1) % kConnections)), nullptr);
  }
}

}  // namespace
}  // namespace muster::auth_plugin
