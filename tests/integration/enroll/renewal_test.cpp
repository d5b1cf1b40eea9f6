// SPDX-License-Identifier: Apache-2.0
#include "enroll/renewal.h"

#include "core/encoding.h"
#include "enroll/incident_desk.h"
#include "enroll/issuer_desk.h"
#include "enroll/superseding.h"
#include "integration/enroll/enroll_lab.h"
#include "registry/certificate_store.h"
#include "x509/certificate.h"

namespace muster::enroll {
namespace {

class Renewal : public EnrollLab {
 protected:
  void SetUp() override {
    EnrollLab::SetUp();
    edge_of_all = make_edge("NULL");
    edge_of_acme = make_edge("ARRAY['" + acme.id.text() + "']::uuid[]");
  }

  // The database role of an edge that may append for these tenants, as joining makes it.
  std::string make_edge(const std::string& tenants) {
    const std::string role = "muster_edge_" + to_hex(EdgeId::random().octets());
    database.execute("CREATE ROLE " + role + " LOGIN NOINHERIT");
    database.execute("SELECT log.grant_appender('" + role + "', " + tenants + ")");
    return role;
  }

  // What a hostile edge could try: any record, under its own login. "" where the log took it, else the error's state.
  std::string append_connect(const std::string& role, const TenantId& tenant, const DeviceId& device,
                             const Sha256& certificate) {
    const std::string incarnation = to_uuid_text(parse_raw_id(EdgeId::random().text()).value());
    const std::string fixed = "decode(repeat('00', 16), 'hex') || uuid_send('" + incarnation + "') || uuid_send('" +
                              tenant.text() + "') || uuid_send('" + device.text() +
                              "') || decode(repeat('00', 40), 'hex') || '\\x" + to_hex(certificate) + "'::bytea";
    return database.execute(
        "SET SESSION test.state = ''; DO $$ DECLARE v_head log.heads; v_appender integer; BEGIN"
        " SELECT h.* INTO v_head FROM log.heads h WHERE h.stream = 4 AND h.partition = 3;"
        " SELECT a.id INTO v_appender FROM log.appenders a WHERE a.role = '" +
        role +
        "';"
        " SET SESSION AUTHORIZATION " +
        role +
        ";"
        " INSERT INTO log.lifecycle_1_0003 VALUES (v_head.next_offset, (extract(epoch FROM clock_timestamp()) * "
        "1000000)"
        "::bigint, 1, v_appender, 3, '" +
        tenant.text() + "', '" + device.text() + "', '" + incarnation + "', " + fixed +
        "); EXCEPTION WHEN OTHERS THEN PERFORM set_config('test.state', SQLSTATE, false); END $$;"
        " RESET SESSION AUTHORIZATION; SELECT current_setting('test.state')");
  }
  void supersede() {
    for (int turn = 0; turn < 3; ++turn) {
      const auto taken = supersede_renewed(*authority);
      ASSERT_TRUE(taken.ok()) << to_log_text(taken.error());
    }
  }

  IssuedCertificate enrol(const LabTenant& tenant, const std::string& device, const DeviceKey& key) {
    auto issued = authority->enroll(tenant.admin, request(tenant, device, key));
    EXPECT_TRUE(issued.ok()) << to_log_text(issued.error());
    return issued.ok() ? *issued : IssuedCertificate{};
  }
  std::string state_of(const IssuedCertificate& certificate) {
    return database.execute(
        "SELECT status || coalesce(' ' || revocation_reason, '') FROM muster.certificates WHERE id"
        " = '\\x" +
        certificate.id_hex + "'");
  }
  RenewalAdvice advise(const LabTenant& tenant, const std::string& device) {
    const auto advice = RenewalDesk(*authority).advise(tenant.admin, tenant.id, device);
    EXPECT_TRUE(advice.ok()) << to_log_text(advice.error());
    return advice.ok() ? *advice : RenewalAdvice{};
  }
  bool is_due(const LabTenant& tenant, const std::string& device) {
    return advise(tenant, device).window.end <= clock.now();
  }
  registry::Incident open(const LabTenant& tenant, const NewIncident& wanted) {
    const auto opened = IncidentDesk(*authority).open(tenant.admin, tenant.id, wanted);
    EXPECT_TRUE(opened.ok()) << to_log_text(opened.error());
    return opened.ok() ? *opened : registry::Incident{};
  }
  std::string count(const std::string& what) { return database.execute("SELECT count(*) FROM " + what); }

  std::string edge_of_all, edge_of_acme;
};

TEST_F(Renewal, TheWindowLiesBehindTwoThirdsOfLifeAndIsTheSameEachTime) {
  const DeviceKey key;
  const auto issued = enrol(acme, "pump-1", key);
  const auto advice = advise(acme, "pump-1");
  const auto life = issued.not_after - issued.not_before;
  EXPECT_EQ(advice.certificate, issued.id);
  EXPECT_GE(advice.window.start, issued.not_before + life * 2 / 3);
  EXPECT_LE(advice.window.end, issued.not_before + life * 4 / 5);
  EXPECT_LT(advice.window.start, advice.window.end);
  EXPECT_EQ(advise(acme, "pump-1").window, advice.window);
  EXPECT_EQ(advice.reason, "");
  EXPECT_EQ(RenewalDesk(*authority).advise_certificate(acme.id, issued.id)->window, advice.window);
  EXPECT_FALSE(RenewalDesk(*authority).advise_certificate(beta.id, issued.id).ok());
}

TEST_F(Renewal, ADeviceAsksAboutItselfOnly) {
  const DeviceKey one, two;
  const auto issued = enrol(acme, "pump-1", one);
  enrol(acme, "pump-2", two);
  const Caller device = as_device(acme, "pump-1", issued);
  EXPECT_TRUE(RenewalDesk(*authority).advise(device, acme.id, "pump-1").ok());
  EXPECT_EQ(RenewalDesk(*authority).advise(device, acme.id, "pump-2").error().reason, "enroll.caller_forbidden");
  EXPECT_EQ(RenewalDesk(*authority).advise(beta.admin, acme.id, "pump-1").error().reason, "enroll.caller_forbidden");
  ASSERT_TRUE(authority->revoke(acme.admin, {acme.id, issued.id_hex, "unspecified"}).ok());
  EXPECT_EQ(RenewalDesk(*authority).advise(device, acme.id, "pump-1").error().reason, "enroll.caller_forbidden");
  EXPECT_EQ(RenewalDesk(*authority).advise(acme.admin, acme.id, "pump-1").error().reason, "certificate.not_found");
}

TEST_F(Renewal, AnIncidentAboutCertificatesIsOverOnceTheyAreRenewed) {
  const DeviceKey key, next, other;
  const auto issued = enrol(acme, "pump-1", key);
  enrol(acme, "pump-2", other);
  NewIncident wanted;
  wanted.certificates = {issued.id_hex, issued.serial_hex};
  wanted.reason = "weak randomness";
  open(acme, wanted);
  EXPECT_TRUE(is_due(acme, "pump-1"));
  EXPECT_EQ(advise(acme, "pump-1").reason, "weak randomness");
  EXPECT_FALSE(is_due(acme, "pump-2"));
  enrol(acme, "pump-1", next);
  EXPECT_FALSE(is_due(acme, "pump-1"));
}

TEST_F(Renewal, AnIncidentAboutAnIssuerReachesWhatItIssuedBefore) {
  const DeviceKey key, next;
  const auto issued = enrol(acme, "pump-1", key);
  const auto issuer = authority->ensure_tenant_issuer(acme.admin, acme.id)->id;
  NewIncident wanted;
  wanted.issuer = issuer;
  const auto incident = open(acme, wanted);
  EXPECT_TRUE(is_due(acme, "pump-1"));
  EXPECT_EQ(state_of(issued), "active") << "an incident revokes nothing";
  enrol(acme, "pump-2", next);
  EXPECT_FALSE(is_due(acme, "pump-2")) << "issued after it";
  EXPECT_EQ(IncidentDesk(*authority).close(beta.admin, beta.id, incident.id).error().reason, "incident.not_found");
  ASSERT_TRUE(IncidentDesk(*authority).close(acme.admin, acme.id, incident.id).ok());
  EXPECT_FALSE(is_due(acme, "pump-1"));
}

TEST_F(Renewal, AnIncidentAboutAKeyLastsUntilTheKeyIsAnother) {
  const DeviceKey key, next;
  const auto issued = enrol(acme, "pump-1", key);
  NewIncident wanted;
  wanted.key = x509::Certificate::parse_pem(issued.certificate_pem)->spki_sha256();
  open(acme, wanted);
  EXPECT_TRUE(is_due(acme, "pump-1"));
  enrol(acme, "pump-1", key);
  EXPECT_TRUE(is_due(acme, "pump-1"));
  enrol(acme, "pump-1", next);
  EXPECT_FALSE(is_due(acme, "pump-1"));
}

TEST_F(Renewal, IncidentsAreOfOneTenant) {
  const DeviceKey key;
  const auto issued = enrol(acme, "pump-1", key);
  NewIncident by_certificate, by_issuer;
  by_certificate.certificates = {issued.id_hex};
  by_issuer.issuer = authority->ensure_tenant_issuer(acme.admin, acme.id)->id;
  const IncidentDesk desk(*authority);
  EXPECT_EQ(desk.open(beta.admin, beta.id, by_certificate).error().reason, "certificate.not_found");
  EXPECT_EQ(desk.open(beta.admin, beta.id, by_issuer).error().reason, "issuer.not_found");
  EXPECT_EQ(desk.open(beta.admin, acme.id, by_issuer).error().reason, "enroll.caller_forbidden");
  NewIncident by_key;
  by_key.key = x509::Certificate::parse_pem(issued.certificate_pem)->spki_sha256();
  open(beta, by_key);  // of a key nobody of theirs has: it reaches nobody
  EXPECT_FALSE(is_due(acme, "pump-1"));
}

TEST_F(Renewal, TheOldCertificateWorksUntilTheNewOneHasConnected) {
  const DeviceKey key, next;
  const auto old = enrol(acme, "pump-1", key);
  const auto renewed = enrol(acme, "pump-1", next);
  const DeviceId device = device_id(acme, "pump-1");
  EXPECT_EQ(append_connect(edge_of_acme, acme.id, device, old.id), "");
  supersede();
  EXPECT_EQ(state_of(old), "active") << "that one connected, not its successor";
  EXPECT_EQ(state_of(renewed), "active");

  const auto issuer =
      IssuerId::parse(database.execute("SELECT issuer_id FROM muster.certificates WHERE id = '\\x" + old.id_hex + "'"));
  const auto before = authority->crl(*issuer, 0);
  ASSERT_TRUE(before.ok());
  EXPECT_EQ(append_connect(edge_of_acme, acme.id, device, renewed.id), "");
  supersede();
  EXPECT_EQ(state_of(old), "revoked 4");  // superseded
  const auto after = authority->crl(*issuer, 0);
  ASSERT_TRUE(after.ok());
  EXPECT_GT((*after)->number, (*before)->number) << "what this process revoked shows at once";
  EXPECT_EQ(state_of(renewed), "active");
  EXPECT_EQ(count("muster.audit_events WHERE action = 'certificate.supersede' AND tenant_id = '" + acme.id.text() +
                  "' AND detail ->> 'edge' = '" + edge_of_acme + "'"),
            "1");
  EXPECT_EQ(count("muster.changes WHERE entity_kind = 5 AND entity_id = '\\x" + old.id_hex + "'"), "2")
      << "announced when it was made and when it was revoked";
  supersede();
  EXPECT_EQ(count("muster.audit_events WHERE action = 'certificate.supersede'"), "1") << "each connect counts once";
}

TEST_F(Renewal, ATenantMayKeepOldCertificatesToTheirEnd) {
  ASSERT_TRUE(IncidentDesk(*authority).set_superseding(acme.admin, acme.id, registry::Superseding::kNever).ok());
  EXPECT_FALSE(IncidentDesk(*authority).set_superseding(beta.admin, acme.id, registry::Superseding::kOnConnect).ok());
  const DeviceKey key, next;
  const auto old = enrol(acme, "pump-1", key);
  const auto renewed = enrol(acme, "pump-1", next);
  EXPECT_EQ(append_connect(edge_of_acme, acme.id, device_id(acme, "pump-1"), renewed.id), "");
  supersede();
  EXPECT_EQ(state_of(old), "active");
}

TEST_F(Renewal, AStolenEdgeReachesNoTenantThatItDoesNotServe) {
  const DeviceKey key, next;
  const auto old = enrol(beta, "pump-1", key);
  const auto renewed = enrol(beta, "pump-1", next);
  const DeviceId device = device_id(beta, "pump-1");
  EXPECT_EQ(append_connect(edge_of_acme, beta.id, device, renewed.id), "42501");
  // Under the name of its own tenant: the registry knows whose certificate that is.
  EXPECT_EQ(append_connect(edge_of_acme, acme.id, device, renewed.id), "");
  supersede();
  EXPECT_EQ(state_of(old), "active");
  EXPECT_EQ(state_of(renewed), "active");
}

TEST_F(Renewal, AStolenEdgeCannotEndTheOnlyCertificateOfADevice) {
  const DeviceKey key, other;
  const auto only = enrol(acme, "pump-1", key);
  const auto neighbour = enrol(acme, "pump-2", other);
  const DeviceId device = device_id(acme, "pump-1");
  EXPECT_EQ(append_connect(edge_of_acme, acme.id, device, neighbour.id), "") << "another device's certificate";
  EXPECT_EQ(append_connect(edge_of_acme, acme.id, device_id(acme, "pump-2"), only.id), "");
  EXPECT_EQ(append_connect(edge_of_acme, acme.id, device, Sha256{}), "") << "a certificate that there is not";
  supersede();
  EXPECT_EQ(state_of(only), "active");
  EXPECT_EQ(state_of(neighbour), "active");
}

TEST_F(Renewal, WhatARevokedCertificateOrARemovedEdgeSaysCountsNot) {
  const DeviceKey key, next;
  const auto old = enrol(acme, "pump-1", key);
  const auto renewed = enrol(acme, "pump-1", next);
  const DeviceId device = device_id(acme, "pump-1");
  EXPECT_EQ(append_connect(edge_of_all, acme.id, device, renewed.id), "");
  database.execute("SELECT log.revoke_appender('" + edge_of_all + "')");  // before the server has looked
  supersede();
  EXPECT_EQ(state_of(old), "active");
  ASSERT_TRUE(authority->revoke(acme.admin, {acme.id, renewed.id_hex, "keyCompromise"}).ok());
  EXPECT_EQ(append_connect(edge_of_acme, acme.id, device, renewed.id), "");
  supersede();
  EXPECT_EQ(state_of(old), "active");
}

}  // namespace
}  // namespace muster::enroll
