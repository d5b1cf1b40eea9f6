// SPDX-License-Identifier: Apache-2.0
//
// Who may connect. Every refusal must leave a metric that says why.
#include "integration/auth_plugin/broker_lab.h"

namespace muster::test_support {
namespace {

class PluginConnect : public BrokerLab {
 protected:
  bool denied_for(const std::string& reason) {
    return eventually([&] { return metric("muster_broker_connect_denials_total{reason=\"" + reason + "\"}") >= 1; });
  }
};

TEST_F(PluginConnect, ListedDeviceGetsIn) {
  write_snapshot(everything());
  start_broker();

  for (const int version : {4, 5}) {
    MqttOptions with = options(a1_);
    with.version = version;
    MqttClient client(&a1_.credential, with);
    EXPECT_EQ(client.connack(), 0) << "MQTT " << version;
    EXPECT_EQ(client.publish("acme/d1/telemetry", "hello"), 0);
  }

  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDisconnect, "acme/d1"); }));
  EXPECT_TRUE(recorded(RecordKind::kConnect, "acme/d1"));
  EXPECT_TRUE(recorded(RecordKind::kPublish, "acme/d1"));
}

TEST_F(PluginConnect, NobodyGetsInBeforeTheFirstSnapshot) {
  start_broker();

  EXPECT_EQ(connack_of(&a1_.credential, options(a1_)), -1);
  EXPECT_TRUE(denied_for("snapshot.absent"));

  write_snapshot(everything());
  EXPECT_TRUE(eventually([&] { return connack_of(&a1_.credential, options(a1_)) == 0; }));
}

TEST_F(PluginConnect, NobodyGetsInWhenTheSnapshotIsTooOld) {
  write_snapshot(everything());
  start_broker("plugin_opt_max_snapshot_age_seconds 2\n");
  EXPECT_EQ(connack_of(&a1_.credential, options(a1_)), 0);

  EXPECT_TRUE(eventually([&] { return connack_of(&a1_.credential, options(a1_)) == 5; }));

  EXPECT_TRUE(denied_for("snapshot.stale"));
  heartbeat();
  EXPECT_TRUE(eventually([&] { return connack_of(&a1_.credential, options(a1_)) == 0; }));
}

TEST_F(PluginConnect, ForgedAndUnlistedCertificatesAreRefused) {
  const std::string uri = uri_of("acme", "d1");
  const Credential look_alike_ca =
      make_certificate({.common_name = "acme issuing CA", .extended_key_usage = "", .ca = true});
  const Credential look_alike = make_certificate({.common_name = "d1", .uri = uri}, &look_alike_ca);
  const Credential expired = make_certificate({.uri = uri, .not_after_offset = -60}, &acme_.ca);
  const Credential future = make_certificate({.uri = uri, .not_before_offset = 3600}, &acme_.ca);
  const Credential server_only = make_certificate({.uri = uri, .extended_key_usage = "serverAuth"}, &acme_.ca);
  const Credential ca_as_device = make_certificate({.uri = uri, .ca = true}, &acme_.ca);
  const Credential unlisted = make_certificate({.uri = uri}, &acme_.ca);
  const Credential other_tenant = make_certificate({.uri = uri_of("beta", "d1")}, &acme_.ca);
  const Credential minted_ca =
      make_certificate({.common_name = "beta issuing CA", .extended_key_usage = "", .ca = true}, &acme_.ca);
  const Credential minted = make_certificate({.uri = uri_of("beta", "d1")}, &minted_ca);
  std::vector<edge::IdentityChange> entities = everything();
  for (const Credential* sneaked : {&expired, &future, &server_only, &ca_as_device}) {
    entities.push_back(list(acme_, a1_.state.id, *sneaked));  // the list alone lets nobody in
  }
  entities.push_back(list(beta_, b1_.state.id, minted));
  entities.push_back(list(beta_, b1_.state.id, other_tenant));
  write_snapshot(entities);
  start_broker();

  EXPECT_EQ(connack_of(nullptr, options(a1_)), -1);
  for (const Credential* forged : {&look_alike, &expired, &future, &server_only, &ca_as_device}) {
    EXPECT_EQ(connack_of(forged, options(a1_)), -1);
  }
  EXPECT_EQ(connack_of(&unlisted, options(a1_)), 5);
  MqttOptions as_beta = options(b1_);
  EXPECT_EQ(connack_of(&other_tenant, as_beta), -1);
  as_beta.chain = {minted_ca};
  EXPECT_EQ(connack_of(&minted, as_beta), -1);
  as_beta.chain = {minted_ca, beta_.ca};
  EXPECT_EQ(connack_of(&minted, as_beta), -1);

  for (const char* reason :
       {"connect.certificate_missing", "chain.anchor_unknown", "chain.expired", "chain.not_yet_valid",
        "chain.eku_client_auth_missing", "chain.leaf_is_ca", "certificate.not_listed", "tenant.mismatch"}) {
    EXPECT_TRUE(denied_for(reason)) << reason;
  }
  // What acme's own key signed is acme's business; what a stranger signed, or signed for another's name, names nobody.
  for (const char* reason : {"chain.expired", "chain.not_yet_valid", "chain.eku_client_auth_missing",
                             "chain.leaf_is_ca", "certificate.not_listed"}) {
    EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "acme/d1", reason); })) << reason;
  }
  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "acme/", "tenant.mismatch"); }));
  EXPECT_FALSE(recorded(RecordKind::kDenial, "acme/d1", "chain.anchor_unknown"));
  EXPECT_FALSE(recorded(RecordKind::kDenial, "beta/d1"));
}

TEST_F(PluginConnect, TheRegistrysWordCounts) {
  struct Case {
    const char* reason;
    std::function<void()> damage;
  };
  const std::vector<Case> cases = {
      {"certificate.revoked", [&] { a1_.listed.status = edge::EntityStatus::kGone; }},
      {"certificate.suspended", [&] { a1_.listed.status = edge::EntityStatus::kSuspended; }},
      {"device.suspended", [&] { a1_.state.status = edge::EntityStatus::kSuspended; }},
      {"device.gone", [&] { a1_.state.status = edge::EntityStatus::kGone; }},
      {"tenant.suspended", [&] { acme_.state.status = edge::EntityStatus::kSuspended; }},
      {"device.mismatch", [&] { a1_.listed.device_id = a2_.state.id; }},
      {"certificate.issuer_mismatch", [&] { a1_.listed.issuer_id = beta_.issuer.id; }},
  };
  write_snapshot(everything());
  start_broker();
  ASSERT_EQ(connack_of(&a1_.credential, options(a1_)), 0);
  for (const Case& c : cases) {
    const Device device_before = a1_;
    const Tenant tenant_before = acme_;
    c.damage();
    // The other device, too: names of devices are in deltas only, a base holds none (docs/formats/snapshot.md).
    change({acme_.state, a1_.state, a2_.state, a1_.listed});

    EXPECT_TRUE(eventually([&] { return connack_of(&a1_.credential, options(a1_)) == 5; })) << c.reason;
    EXPECT_TRUE(denied_for(c.reason)) << c.reason;

    a1_ = device_before;
    acme_ = tenant_before;
    change({acme_.state, a1_.state, a1_.listed});
    ASSERT_TRUE(eventually([&] { return connack_of(&a1_.credential, options(a1_)) == 0; })) << c.reason;
  }
}

TEST_F(PluginConnect, ClientIdentifierMustBeThePrincipal) {
  write_snapshot(everything());
  start_broker();

  for (const char* id : {"acme/d2", "beta/d1", "d1", "acme/d1/", "#", "+/d1", "ACME/d1"}) {
    MqttOptions with = options(a1_);
    with.client_id = id;
    EXPECT_EQ(connack_of(&a1_.credential, with), 5) << id;
  }
  MqttOptions empty = options(a1_);
  empty.client_id = "";
  EXPECT_NE(connack_of(&a1_.credential, empty), 0);
  EXPECT_TRUE(denied_for("connect.client_id_mismatch"));
  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "acme/d1", "connect.client_id_mismatch"); }));
}

TEST_F(PluginConnect, TlsSessionsAreNotResumed) {
  write_snapshot(everything());
  start_broker();
  MqttClient first(&a1_.credential, options(a1_));
  ASSERT_EQ(first.connack(), 0);
  ASSERT_TRUE(first.ping());
  SSL_SESSION* session = first.tls_session();
  MqttOptions with = options(a1_);
  with.resume = session;

  MqttClient second(&a1_.credential, with);
  EXPECT_FALSE(second.resumed());
  MqttClient without_certificate(nullptr, with);
  EXPECT_EQ(without_certificate.connack(), -1);
  SSL_SESSION_free(session);
}

TEST_F(PluginConnect, ServerNamePicksTheTenant) {
  write_snapshot(everything());
  start_broker("plugin_opt_server_name_suffix mqtt.test\n");
  const auto code = [&](const std::string& name) {
    MqttOptions with = options(a1_);
    with.server_name = name;
    return connack_of(&a1_.credential, with);
  };

  EXPECT_EQ(code("acme.mqtt.test"), 0);
  EXPECT_EQ(code("broker.example"), 0);
  EXPECT_EQ(code("beta.mqtt.test"), -1);
  EXPECT_EQ(code("nobody.mqtt.test"), -1);
  MqttOptions with = options(a1_);
  with.server_name = "beta.mqtt.test";
  EXPECT_EQ(connack_of(nullptr, with), -1);
  // The tenant whose door it was hears of both, and of no name that it does not own.
  for (const char* reason : {"chain.anchor_unknown", "connect.certificate_missing"}) {
    EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "beta/", reason); })) << reason;
  }
  EXPECT_FALSE(recorded(RecordKind::kDenial, "acme/d1"));
}

TEST_F(PluginConnect, HeartbeatOfTheEdgeItselfKeepsNothingFresh) {
  write_snapshot(everything());
  start_broker("plugin_opt_max_snapshot_age_seconds 3\n");
  ASSERT_EQ(connack_of(&a1_.credential, options(a1_)), 0);
  const UtcTime known = SystemClock().now();
  const auto signature = heartbeat_signer_.sign(position_, known);
  ASSERT_TRUE(writer_->write_heartbeat(position_, known, signature).ok());

  // A host's edge that wants to look fresh: its own signature, the server's for another time, for another edge.
  const auto attempts = [&] {
    const UtcTime now = SystemClock().now();
    (void)writer_->write_heartbeat(position_, now, HeartbeatSigner().sign(position_, now));
    const bool in_by_own = connack_of(&a1_.credential, options(a1_)) == 0;
    (void)writer_->write_heartbeat(position_, now, signature);
    const bool in_by_other_time = connack_of(&a1_.credential, options(a1_)) == 0;
    const auto for_other = heartbeat_signer_.sign(edge::heartbeat_message(EdgeId::random(), position_, now));
    (void)writer_->write_heartbeat(position_, now, for_other);
    const bool in_by_other_edge = connack_of(&a1_.credential, options(a1_)) == 0;
    (void)writer_->write_heartbeat(position_, known, signature);  // once more what was good once
    return in_by_own || in_by_other_time || in_by_other_edge || connack_of(&a1_.credential, options(a1_)) == 0;
  };
  EXPECT_TRUE(eventually([&] { return !attempts(); }));
  EXPECT_TRUE(denied_for("snapshot.stale"));
  EXPECT_FALSE(attempts());
  heartbeat();
  EXPECT_TRUE(eventually([&] { return connack_of(&a1_.credential, options(a1_)) == 0; }));
}

TEST_F(PluginConnect, UnsafeBrokerConfigurationIsNotServed) {
  write_snapshot(everything());
  std::ofstream(path("bad.conf")) << "allow_anonymous true\n"
                                  << (geteuid() == 0 ? "user root\n" : "") << "listener " << free_port()
                                  << " 127.0.0.1\nplugin " << MUSTER_BINARY_DIR
                                  << "/muster_auth.so\nplugin_opt_broker_config " << path("bad.conf")
                                  << "\nplugin_opt_snapshot_folder " << path("snapshot") << "\nplugin_opt_state_file "
                                  << path("state/s") << "\nplugin_opt_wal_folder " << path("wal")
                                  << "\nplugin_opt_heartbeat_key_file " << path("heartbeat.pub")
                                  << "\nplugin_opt_trust_domain " << kTrustDomain << "\n";
  const ExitStatus status = run({.command = {"mosquitto", "-c", path("bad.conf")},
                                 .environment = {},
                                 .output_file = path("bad.log"),
                                 .run_as = "",
                                 .death_signal = SIGKILL});
  std::ifstream log(path("bad.log"));
  const std::string text{std::istreambuf_iterator<char>(log), std::istreambuf_iterator<char>()};

  EXPECT_FALSE(status.success());
  EXPECT_NE(text.find("line 1: allow_anonymous must be false"), std::string::npos) << text;
}

}  // namespace
}  // namespace muster::test_support
