// SPDX-License-Identifier: Apache-2.0
//
// Devices of a tenant's own PKI at a real broker: accepted by path, by the rules of their anchor, and by registration.
#include "core/file.h"
#include "edge/external_trust.h"
#include "edge/registration_report.h"
#include "integration/auth_plugin/broker_lab.h"
#include "x509/external_identity.h"

namespace muster::test_support {
namespace {

Sha256 credential_id(const IssuerId& anchor, const std::string& device) {
  return x509::external_credential_id(anchor, DeviceName::parse(device).value());
}

class ExternalPki : public BrokerLab {
 protected:
  ExternalPki()
      : root_(make_certificate({.common_name = "Factory Root", .extended_key_usage = "", .ca = true})),
        plant_(make_certificate({.common_name = "Factory Plant 1", .extended_key_usage = "", .ca = true}, &root_)),
        anchor_(make_anchor(acme_, root_)) {
    device_.id = DeviceId::random();
    device_.tenant_id = acme_.state.id;
    device_.name = "ext-1";
    leaf_ = make_certificate({.common_name = "ext-1"}, &plant_);
  }

  static edge::IssuerState make_anchor(const Tenant& tenant, const Credential& ca, edge::ExternalTrust trust = {}) {
    edge::IssuerState anchor{IssuerId::random(), tenant.state.id, edge::EntityStatus::kActive, ca.key_id(), ca.der()};
    anchor.external = edge::encode_external_trust(trust).value();
    return anchor;
  }

  edge::CertificateState bound(const edge::IssuerState& anchor, const edge::DeviceState& device,
                               edge::EntityStatus status = edge::EntityStatus::kActive) const {
    return {credential_id(anchor.id, device.name),        anchor.tenant_id, device.id, anchor.id, status,
            parse_rfc3339("9999-12-31T23:59:59Z").value()};
  }

  std::vector<edge::IdentityChange> with(std::vector<edge::IdentityChange> more) const {
    auto all = everything();
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  MqttOptions presenting(const std::string& principal, std::vector<Credential> chain,
                         const std::string& server_name = "") const {
    MqttOptions options;
    options.port = port_;
    options.client_id = principal;
    options.chain = std::move(chain);
    options.server_name = server_name;
    return options;
  }

  bool denied_for(const std::string& reason) {
    return eventually([&] { return metric("muster_broker_connect_denials_total{reason=\"" + reason + "\"}") >= 1; });
  }

  static bool is_cut(MqttClient& client) { return client.ended(std::chrono::seconds(15)); }

  Credential root_, plant_;
  edge::IssuerState anchor_;
  edge::DeviceState device_;
  Credential leaf_;
};

TEST_F(ExternalPki, ARegisteredDeviceComesByPathAndPublishes) {
  write_snapshot(with({anchor_, device_, bound(anchor_, device_)}));
  start_broker();

  MqttClient client(&leaf_, presenting("acme/ext-1", {plant_}));
  EXPECT_EQ(client.connack(), 0);
  EXPECT_EQ(client.publish("acme/ext-1/telemetry", "hello"), 0);
  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kPublish, "acme/ext-1"); }));
}

TEST_F(ExternalPki, TheAnchorsOwnIntermediatesNeedNotBePresented) {
  edge::ExternalTrust trust;
  trust.intermediates = {plant_.der()};
  anchor_ = make_anchor(acme_, root_, trust);
  write_snapshot(with({anchor_, device_, bound(anchor_, device_)}));
  start_broker();

  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {})), 0);
}

TEST_F(ExternalPki, OnlyTheClientIdOfTheCertificateIsTaken) {
  write_snapshot(with({anchor_, device_, bound(anchor_, device_)}));
  start_broker();

  EXPECT_EQ(connack_of(&leaf_, presenting("acme/d1", {plant_})), 5);
  EXPECT_EQ(connack_of(&leaf_, presenting("beta/ext-1", {plant_})), 5);
  EXPECT_TRUE(denied_for("connect.client_id_mismatch"));
}

TEST_F(ExternalPki, ADeviceOfOursIsNotTakenOverByACertificateWithItsName) {
  const Credential impostor = make_certificate({.common_name = "d1"}, &plant_);
  const Credential forged = make_certificate({.common_name = "d1", .uri = uri_of("acme", "d1")}, &plant_);
  write_snapshot(with({anchor_, device_, bound(anchor_, device_)}));
  start_broker();

  EXPECT_EQ(connack_of(&impostor, presenting("acme/d1", {plant_})), 5);
  EXPECT_EQ(connack_of(&forged, presenting("acme/d1", {plant_})), 5);
  EXPECT_TRUE(denied_for("device.not_registered"));
  EXPECT_EQ(connack_of(&a1_.credential, options(a1_)), 0);
}

TEST_F(ExternalPki, LookAlikesAndOtherCasAreRefused) {
  const Credential fake_root = make_certificate({.common_name = "Factory Root", .extended_key_usage = "", .ca = true});
  const Credential fake_plant =
      make_certificate({.common_name = "Factory Plant 1", .extended_key_usage = "", .ca = true}, &fake_root);
  const Credential fake = make_certificate({.common_name = "ext-1"}, &fake_plant);
  const Credential child = make_certificate({.common_name = "ext-1"}, &leaf_);  // signed by a device
  const Credential server = make_certificate({.common_name = "ext-1", .extended_key_usage = "serverAuth"}, &plant_);
  const Credential expired = make_certificate({.common_name = "ext-1", .not_after_offset = -60}, &plant_);
  write_snapshot(with({anchor_, device_, bound(anchor_, device_)}));
  start_broker();

  EXPECT_EQ(connack_of(&fake, presenting("acme/ext-1", {fake_plant, fake_root})), -1);
  EXPECT_EQ(connack_of(&child, presenting("acme/ext-1", {leaf_, plant_})), -1);
  EXPECT_EQ(connack_of(&server, presenting("acme/ext-1", {plant_})), -1);
  EXPECT_EQ(connack_of(&expired, presenting("acme/ext-1", {plant_})), -1);
  EXPECT_EQ(connack_of(&plant_, presenting("acme/ext-1", {root_})), -1);
}

TEST_F(ExternalPki, ALongChainIsRefusedAtOnce) {
  std::vector<Credential> chain{plant_};
  for (int i = 0; i < 20; ++i) {
    chain.push_back(make_certificate({.common_name = "Factory Plant 1", .extended_key_usage = "", .ca = true}, &root_));
  }
  write_snapshot(with({anchor_, device_, bound(anchor_, device_)}));
  start_broker();

  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", chain)), -1);
  EXPECT_TRUE(denied_for("chain.too_many_presented"));
  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {plant_})), 0);
}

TEST_F(ExternalPki, TwoCandidateIdsAreNoId) {
  edge::ExternalTrust trust;
  trust.source = DeviceIdSource::kUriSan;
  trust.prefix = "urn:factory:";
  anchor_ = make_anchor(acme_, root_, trust);
  const Credential good = make_certificate({.uri = "urn:factory:ext-1"}, &plant_);
  const Credential two = make_certificate({.uri = "urn:factory:ext-1,URI:urn:factory:ext-2"}, &plant_);
  const Credential wild = make_certificate({.uri = "urn:factory:+"}, &plant_);
  write_snapshot(with({anchor_, device_, bound(anchor_, device_)}));
  start_broker();

  EXPECT_EQ(connack_of(&good, presenting("acme/ext-1", {plant_})), 0);
  EXPECT_EQ(connack_of(&two, presenting("acme/ext-1", {plant_})), -1);
  EXPECT_TRUE(denied_for("external.device_id_ambiguous"));
  EXPECT_EQ(connack_of(&wild, presenting("acme/+", {plant_})), -1);
  EXPECT_TRUE(denied_for("external.device_id_invalid"));
}

TEST_F(ExternalPki, SuspendingOrRevokingAnAnchorCutsItsSessionsOnly) {
  write_snapshot(with({anchor_, device_, bound(anchor_, device_)}));
  start_broker();
  MqttClient client(&leaf_, presenting("acme/ext-1", {plant_}));
  ASSERT_EQ(client.connack(), 0);
  const auto ours = connect(a1_);

  anchor_.status = edge::EntityStatus::kSuspended;
  change({anchor_});
  EXPECT_TRUE(is_cut(client));
  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {plant_})), -1);
  EXPECT_TRUE(denied_for("trust_anchor.suspended"));

  anchor_.status = edge::EntityStatus::kActive;
  change({anchor_});
  EXPECT_TRUE(eventually([&] { return connack_of(&leaf_, presenting("acme/ext-1", {plant_})) == 0; }));

  MqttClient again(&leaf_, presenting("acme/ext-1", {plant_}));
  ASSERT_EQ(again.connack(), 0);
  anchor_.status = edge::EntityStatus::kGone;
  change({anchor_});
  EXPECT_TRUE(is_cut(again));
  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {plant_})), -1);
  EXPECT_EQ(ours->publish("acme/d1/telemetry", "undisturbed"), 0);
}

TEST_F(ExternalPki, ARevokedCertificateIsCutAndStaysOut) {
  write_snapshot(with({anchor_, device_, bound(anchor_, device_)}));
  start_broker();
  MqttClient client(&leaf_, presenting("acme/ext-1", {plant_}));
  ASSERT_EQ(client.connack(), 0);

  edge::ExternalTrust trust;
  trust.revoked = {x509::revocation_key(leaf_.id())};
  anchor_.external = edge::encode_external_trust(trust).value();
  change({anchor_});

  EXPECT_TRUE(is_cut(client));
  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {plant_})), -1);
  EXPECT_TRUE(denied_for("external.revoked"));
  const Credential renewed = make_certificate({.common_name = "ext-1"}, &plant_);
  EXPECT_EQ(connack_of(&renewed, presenting("acme/ext-1", {plant_})), 0);
}

TEST_F(ExternalPki, WithoutACurrentCrlWhoeverChoseFailClosedStaysOut) {
  edge::ExternalTrust trust;
  trust.expired_crl = 1;
  trust.crls = {{plant_.key_id(), SystemClock().now() - std::chrono::hours(1)}};
  anchor_ = make_anchor(acme_, root_, trust);
  write_snapshot(with({anchor_, device_, bound(anchor_, device_)}));
  start_broker();
  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {plant_})), -1);
  EXPECT_TRUE(denied_for("external.crl_expired"));

  trust.crls = {};
  anchor_.external = edge::encode_external_trust(trust).value();
  change({anchor_});
  EXPECT_TRUE(eventually([&] {
    return connack_of(&leaf_, presenting("acme/ext-1", {plant_})) == -1 &&
           metric("muster_broker_connect_denials_total{reason=\"external.crl_missing\"}") >= 1;
  }));

  trust.expired_crl = 2;
  trust.crls = {{plant_.key_id(), SystemClock().now() - std::chrono::hours(1)}};
  anchor_.external = edge::encode_external_trust(trust).value();
  change({anchor_});
  EXPECT_TRUE(eventually([&] { return connack_of(&leaf_, presenting("acme/ext-1", {plant_})) == 0; }));
}

TEST_F(ExternalPki, OneKeyInTwoTenantsNeedsAServerName) {
  const edge::IssuerState other = make_anchor(beta_, root_);
  edge::DeviceState test_device = device_;
  test_device.id = DeviceId::random();
  test_device.tenant_id = beta_.state.id;
  write_snapshot(with({anchor_, device_, bound(anchor_, device_), other, test_device, bound(other, test_device)}));
  start_broker("plugin_opt_server_name_suffix mqtt.example\n");

  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {plant_})), -1);
  EXPECT_TRUE(denied_for("issuer.ambiguous"));
  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {plant_}, "acme.mqtt.example")), 0);
  EXPECT_EQ(connack_of(&leaf_, presenting("beta/ext-1", {plant_}, "beta.mqtt.example")), 0);
  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {plant_}, "beta.mqtt.example")), 5);
  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {plant_}, "gamma.mqtt.example")), -1);
  // Who named its tenant is not disturbed by what the other one does with the same key.
  MqttClient named(&leaf_, presenting("acme/ext-1", {plant_}, "acme.mqtt.example"));
  change({other});
  EXPECT_EQ(named.publish("acme/ext-1/telemetry", "on"), 0);
}

TEST_F(ExternalPki, AnchorsThatBearOurNamesChangeNothing) {
  std::vector<edge::IdentityChange> hostile;
  for (int i = 0; i < 20; ++i) {
    const Credential ca = make_certificate({.common_name = "acme issuing CA", .extended_key_usage = "", .ca = true});
    hostile.emplace_back(make_anchor(beta_, ca));
    const Credential twin = make_certificate({.common_name = "Factory Root", .extended_key_usage = "", .ca = true});
    hostile.emplace_back(make_anchor(beta_, twin));
  }
  hostile.insert(hostile.end(), {anchor_, device_, bound(anchor_, device_)});
  write_snapshot(with(hostile));
  start_broker();

  EXPECT_EQ(connack_of(&a1_.credential, options(a1_)), 0);
  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {plant_})), 0);
}

TEST_F(ExternalPki, ADeviceThatIsNotRegisteredIsRefusedAndReported) {
  edge::ExternalTrust trust;
  trust.reports_unknown = true;
  anchor_ = make_anchor(acme_, root_, trust);
  write_snapshot(with({anchor_}));
  start_broker();

  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {plant_})), 5);
  EXPECT_TRUE(denied_for("device.not_registered"));
  const std::string folder = edge::reports_folder(path("wal"));
  ASSERT_TRUE(eventually([&] { return edge::list_reports(folder, 10).size() == 1; }));
  const auto file = read_file(edge::list_reports(folder, 10).front(), edge::kMaxReportBytes);
  ASSERT_TRUE(file.ok());
  const auto report = edge::decode_report(*file);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->tenant_id, acme_.state.id);
  EXPECT_EQ(report->anchor_id, anchor_.id);
  ASSERT_EQ(report->chain.size(), 2u);
  EXPECT_EQ(report->chain[0], leaf_.der());
  EXPECT_EQ(report->chain[1], plant_.der());

  change({device_, bound(anchor_, device_)});
  EXPECT_TRUE(eventually([&] { return connack_of(&leaf_, presenting("acme/ext-1", {plant_})) == 0; }));
}

TEST_F(ExternalPki, WhoDoesNotAskForReportsGetsNone) {
  write_snapshot(with({anchor_}));
  start_broker();

  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {plant_})), 5);
  EXPECT_TRUE(denied_for("device.not_registered"));
  EXPECT_TRUE(edge::list_reports(edge::reports_folder(path("wal")), 10).empty());
}

TEST_F(ExternalPki, ADeviceThatIsUnboundIsCut) {
  write_snapshot(with({anchor_, device_, bound(anchor_, device_)}));
  start_broker();
  MqttClient client(&leaf_, presenting("acme/ext-1", {plant_}));
  ASSERT_EQ(client.connack(), 0);

  // As the registry says it once the row is gone: nobody's.
  edge::CertificateState gone = bound(anchor_, device_, edge::EntityStatus::kGone);
  gone.device_id = DeviceId{};
  gone.issuer_id = IssuerId{};
  change({gone});

  EXPECT_TRUE(is_cut(client));
  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {plant_})), 5);
}

TEST_F(ExternalPki, RulesThatAreNotUnderstoodAdmitNobody) {
  anchor_.external = Bytes{99};
  write_snapshot(with({anchor_, device_, bound(anchor_, device_)}));
  start_broker();

  EXPECT_EQ(connack_of(&leaf_, presenting("acme/ext-1", {plant_})), -1);
  EXPECT_EQ(connack_of(&a1_.credential, options(a1_)), 0);
}

}  // namespace
}  // namespace muster::test_support
