// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <new>
#include <set>
#include <thread>

#include "core/encoding.h"
#include "integration/enroll/enroll_lab.h"
#include "support/process.h"
#include "support/temp_folder.h"
#include "x509/certificate.h"
#include "x509/crl.h"
#include "x509/trust_anchor.h"

namespace muster::enroll {
namespace {

class Enrolment : public EnrollLab {
 protected:
  std::string count(const std::string& what) { return database.execute("SELECT count(*) FROM " + what); }
};

TEST_F(Enrolment, DeviceGetsACertificateThatOpensslVerifiesToTheRoot) {
  const DeviceKey key;
  const auto issued = authority->enroll(acme.admin, request(acme, "pump-7", key));
  ASSERT_TRUE(issued.ok()) << to_log_text(issued.error());

  test_support::TempFolder folder;
  std::ofstream{folder / "root"} << authority->device_root_pem().value();
  std::ofstream{folder / "chain"} << issued->chain_pem;
  std::ofstream{folder / "leaf"} << issued->certificate_pem;
  test_support::SpawnOptions verify;
  verify.command = {"openssl", "verify",        "-x509_strict", "-purpose",       "sslclient",
                    "-CAfile", folder / "root", "-untrusted",   folder / "chain", folder / "leaf"};
  EXPECT_TRUE(test_support::run(verify).success());
  const auto leaf = x509::Certificate::parse_pem(issued->certificate_pem).value();
  EXPECT_EQ(leaf.only_uri_san(), "spiffe://acme.muster.internal/device/pump-7");
  EXPECT_EQ(leaf.id_hex(), issued->id_hex);
}

TEST_F(Enrolment, IssuingIsAuditedAndAnnounced) {
  const DeviceKey key;
  const auto before = count("muster.changes");
  const auto issued = authority->enroll(acme.admin, request(acme, "pump-7", key)).value();
  EXPECT_EQ(count("muster.audit_events WHERE action = 'certificate.issue' AND outcome = 'success'"), "1");
  EXPECT_NE(count("muster.changes"), before);
}

// Stands for a machine without memory: what an enrolment asks the time for is on every way.
class FailingClock final : public Clock {
 public:
  UnixMicros now_micros() const override {
    if (fails) throw std::bad_alloc{};
    return SystemClock{}.now_micros();
  }
  std::atomic<bool> fails{false};
};

TEST_F(Enrolment, AGroupThatRunsOutOfMemoryEndsForAllInItAndTheNextGoesOn) {
  FailingClock failing;
  const auto other =
      RegistrationAuthority::create({}, ca::KeyEncryptionKey::from_bytes(Bytes(32, 9)).value(), *pool, failing, metrics)
          .value();
  ASSERT_TRUE(other->initialise_deployment().ok());
  const DeviceKey key;
  failing.fails = true;
  std::vector<std::jthread> threads;
  std::atomic<int> refused{0};
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      const DeviceKey own;
      if (!other->enroll(acme.admin, request(acme, "pump-" + std::to_string(i), own)).ok()) ++refused;
    });
  }
  threads.clear();  // joins
  EXPECT_EQ(refused, 6);

  failing.fails = false;
  EXPECT_EQ(reason_of(other->enroll(acme.admin, request(acme, "pump-7", key))), "issued");
  EXPECT_EQ(pool->in_use(), 0U);
}

TEST_F(Enrolment, FactoryGetsOnlyTheFirstCertificateOfADevice) {
  const DeviceKey first, second;
  ASSERT_TRUE(authority->enroll(acme.factory, request(acme, "pump-7", first)).ok());
  EXPECT_EQ(reason_of(authority->enroll(acme.factory, request(acme, "pump-7", second))),
            "enroll.factory_first_certificate_only");
  EXPECT_EQ(reason_of(authority->enroll(acme.admin, request(acme, "pump-7", second))), "issued");
  EXPECT_EQ(count("muster.audit_events WHERE action = 'certificate.issue' AND outcome = 'refused'"), "1");
}

TEST_F(Enrolment, ConcurrentFactoryRequestsForOneDeviceYieldOneCertificate) {
  std::vector<std::thread> threads;
  std::atomic<int> issued{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const DeviceKey key;
      if (authority->enroll(acme.factory, request(acme, "pump-7", key)).ok()) ++issued;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(issued, 1);
  EXPECT_EQ(count("muster.certificates"), "1");
}

TEST_F(Enrolment, BatchFromAFactoryGetsOneCertificatePerDeviceName) {
  const DeviceKey first, second;
  const std::vector<EnrollRequest> requests{request(acme, "pump-7", first), request(acme, "pump-7", second)};
  const auto results = authority->enroll_batch(acme.factory, requests);
  EXPECT_EQ(reason_of(results[0]), "issued");
  EXPECT_EQ(reason_of(results[1]), "enroll.factory_first_certificate_only");
}

TEST_F(Enrolment, DeviceRenewsWithItsOwnActiveCertificateOnly) {
  const DeviceKey first, second, third, other;
  const auto issued = authority->enroll(acme.admin, request(acme, "pump-7", first)).value();
  const auto neighbour = authority->enroll(acme.admin, request(acme, "pump-8", other)).value();
  const Caller device = as_device(acme, "pump-7", issued);
  EXPECT_EQ(reason_of(authority->enroll(device, request(acme, "pump-7", second))), "issued");
  EXPECT_EQ(reason_of(authority->enroll(device, request(acme, "pump-8", third))), "enroll.caller_forbidden");
  Caller mixed = device;
  mixed.device_certificate_id = neighbour.id;
  EXPECT_EQ(reason_of(authority->enroll(mixed, request(acme, "pump-7", third))), "enroll.caller_forbidden");
  ASSERT_TRUE(authority->revoke(acme.admin, {acme.id, issued.id_hex}).ok());
  EXPECT_EQ(reason_of(authority->enroll(device, request(acme, "pump-7", third))), "enroll.caller_forbidden");
}

// One look-up for the group, a judgement for each.
TEST_F(Enrolment, InAGroupADeviceStillRenewsOnlyItself) {
  const DeviceKey first, other;
  const auto issued = authority->enroll(acme.admin, request(acme, "pump-7", first)).value();
  const auto neighbour = authority->enroll(acme.admin, request(acme, "pump-8", other)).value();
  const std::vector<DeviceKey> keys(3);
  const std::vector<EnrollRequest> asked{request(acme, "pump-7", keys[0]), request(acme, "pump-8", keys[1])};
  const auto by_itself = authority->enroll_batch(as_device(acme, "pump-7", issued), asked);
  EXPECT_EQ(reason_of(by_itself[0]), "issued");
  EXPECT_EQ(reason_of(by_itself[1]), "enroll.caller_forbidden");

  Caller thief = as_device(acme, "pump-7", issued);
  thief.device_certificate_id = neighbour.id;  // of the tenant, but not of the device
  EXPECT_EQ(reason_of(authority->enroll(thief, request(acme, "pump-7", keys[2]))), "enroll.caller_forbidden");
  thief.device_certificate_id = Sha256{};
  EXPECT_EQ(reason_of(authority->enroll(thief, request(acme, "pump-7", keys[2]))), "enroll.caller_forbidden");
  thief.device_certificate_id.reset();
  EXPECT_EQ(reason_of(authority->enroll(thief, request(acme, "pump-7", keys[2]))), "enroll.caller_forbidden");
}

TEST_F(Enrolment, AuditOfASecondCertificateShowsOldAndNewKey) {
  const DeviceKey first, second;
  ASSERT_TRUE(authority->enroll(acme.admin, request(acme, "pump-7", first)).ok());
  ASSERT_TRUE(authority->enroll(acme.admin, request(acme, "pump-7", second)).ok());
  EXPECT_EQ(count("muster.audit_events WHERE detail::text LIKE '%old_key%' AND detail::text LIKE '%new_key%'"), "1");
}

TEST_F(Enrolment, KeyOfAnotherDeviceIsRefusedInEveryTenant) {
  const DeviceKey key;
  ASSERT_TRUE(authority->enroll(acme.admin, request(acme, "pump-7", key)).ok());
  EXPECT_EQ(reason_of(authority->enroll(acme.admin, request(acme, "pump-8", key))), "csr.key_already_used");
  EXPECT_EQ(reason_of(authority->enroll(beta.admin, request(beta, "pump-7", key))), "csr.key_already_used");
}

TEST_F(Enrolment, KeyRevokedForCompromiseIsNeverAcceptedAgain) {
  const DeviceKey key;
  const auto issued = authority->enroll(acme.admin, request(acme, "pump-7", key)).value();
  ASSERT_TRUE(authority->revoke(acme.admin, {acme.id, issued.id_hex, "keyCompromise"}).ok());
  EXPECT_EQ(reason_of(authority->enroll(acme.admin, request(acme, "pump-7", key))), "csr.key_already_used");
}

TEST_F(Enrolment, CallersOfAnotherTenantAndReadersAreRefused) {
  const DeviceKey key;
  const std::vector<Caller> callers{beta.admin,
                                    beta.factory,
                                    caller(CallerRole::kAuditor, acme.id),
                                    caller(CallerRole::kApplication, acme.id),
                                    caller(CallerRole::kEdge, acme.id),
                                    caller(CallerRole::kTenantAdmin, std::nullopt),
                                    Caller{}};
  for (const Caller& who : callers) {
    EXPECT_EQ(reason_of(authority->enroll(who, request(acme, "pump-7", key))), "enroll.caller_forbidden");
  }
  EXPECT_EQ(count("muster.devices"), "0");
}

TEST_F(Enrolment, UnknownDeviceIsNotCreatedUnlessAsked) {
  const DeviceKey key;
  EnrollRequest asked = request(acme, "pump-7", key);
  asked.create = CreateDevice::kNo;
  EXPECT_EQ(reason_of(authority->enroll(acme.admin, asked)), "device.not_found");
}

TEST_F(Enrolment, FailedStoreLeavesAnIntentAndNoActiveCertificate) {
  database.execute(
      "CREATE FUNCTION muster.refuse_store() RETURNS trigger LANGUAGE plpgsql AS "
      "$$ BEGIN RAISE EXCEPTION 'injected'; END $$");
  database.execute(
      "CREATE TRIGGER refuse_store BEFORE INSERT ON muster.certificates FOR EACH ROW "
      "EXECUTE FUNCTION muster.refuse_store()");
  const DeviceKey key;
  EXPECT_NE(reason_of(authority->enroll(acme.admin, request(acme, "pump-7", key))), "issued");
  EXPECT_EQ(count("muster.certificates"), "0");

  Caller local;
  local.role = CallerRole::kLocal;
  clock.advance(std::chrono::minutes{10});
  const auto intents = authority->list_open_intents(local, std::chrono::minutes{5});
  ASSERT_TRUE(intents.ok()) << to_log_text(intents.error());
  ASSERT_EQ(intents->size(), 1u);
  const OpenIntent& intent = intents->front();
  EXPECT_EQ(intent.tenant, acme.id);
  const auto revoked = authority->revoke_intent(local, intent.issuer, intent.serial_hex);
  ASSERT_TRUE(revoked.ok()) << to_log_text(revoked.error());
  const auto crl = x509::Crl::parse_der(authority->crl(intent.issuer, 0).value()->der).value();
  ASSERT_EQ(crl.entries.size(), 1u);
  EXPECT_EQ(crl.entries[0].serial_hex, intent.serial_hex);
  EXPECT_FALSE(authority->list_open_intents(acme.admin, std::chrono::minutes{5}).ok());
}

TEST_F(Enrolment, ConcurrentRequestsAreAllAnswered) {
  std::vector<std::thread> threads;
  std::atomic<int> issued{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const DeviceKey key;
        const LabTenant& tenant = t % 2 == 0 ? acme : beta;
        const std::string name = "device-" + std::to_string(t) + "-" + std::to_string(i);
        if (authority->enroll(tenant.factory, request(tenant, name, key)).ok()) ++issued;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(issued, 80);
  EXPECT_EQ(count("muster.certificates"), "80");
}

TEST_F(Enrolment, OneBadRequestSpoilsNoOtherOfItsBatch) {
  std::vector<DeviceKey> keys(5);
  std::vector<EnrollRequest> requests;
  for (int i = 0; i < 5; ++i) requests.push_back(request(acme, "device-" + std::to_string(i), keys[i]));
  requests[1].csr = "garbage";
  requests[2].csr = requests[0].csr;  // another device's key, found only by the database
  requests[3].device = "bad/name";
  const auto results = authority->enroll_batch(acme.factory, requests);
  EXPECT_EQ(reason_of(results[0]), "issued");
  EXPECT_EQ(reason_of(results[1]), "csr.malformed");
  EXPECT_EQ(reason_of(results[2]), "csr.key_already_used");
  EXPECT_EQ(reason_of(results[3]), "device.name_invalid");
  EXPECT_EQ(reason_of(results[4]), "issued");
}

TEST_F(Enrolment, RevocationIsOnTheCrlAtOnceAndIdempotent) {
  const DeviceKey key;
  const auto issued = authority->enroll(acme.admin, request(acme, "pump-7", key)).value();
  const auto issuer = authority->ensure_tenant_issuer(acme.admin, acme.id).value();
  const auto empty = x509::Crl::parse_der(authority->crl(issuer.id, 0).value()->der).value();
  EXPECT_TRUE(empty.entries.empty());
  const auto first = authority->revoke(acme.admin, {acme.id, issued.serial_hex, "superseded"});
  ASSERT_TRUE(first.ok()) << to_log_text(first.error());
  const auto second = authority->revoke(acme.admin, {acme.id, issued.id_hex, "keyCompromise"}).value();
  EXPECT_TRUE(second.already_revoked);
  EXPECT_EQ(second.reason, "superseded");
  const auto crl = x509::Crl::parse_der(authority->crl(issuer.id, 0).value()->der).value();
  ASSERT_EQ(crl.entries.size(), 1u);
  EXPECT_EQ(crl.entries[0].serial_hex, issued.serial_hex);
  EXPECT_EQ(crl.entries[0].reason_code, 4);
  EXPECT_GT(crl.number_hex, empty.number_hex);
  const auto anchor = x509::TrustAnchor::parse_der(x509::Certificate::parse_pem(issuer.certificate_pem)->der()).value();
  EXPECT_TRUE(crl.verify(anchor.key()).ok());
  EXPECT_EQ(authority->crl(issuer.id, 1).error().reason, "enroll.crl_shard_unknown");
}

TEST_F(Enrolment, RevocationByStrangersIsRefused) {
  const DeviceKey key;
  const auto issued = authority->enroll(acme.admin, request(acme, "pump-7", key)).value();
  EXPECT_EQ(authority->revoke(beta.admin, {acme.id, issued.id_hex}).error().reason, "enroll.caller_forbidden");
  EXPECT_EQ(authority->revoke(beta.admin, {beta.id, issued.id_hex}).error().reason, "certificate.not_found");
  EXPECT_EQ(authority->revoke(acme.factory, {acme.id, issued.id_hex}).error().reason, "enroll.caller_forbidden");
  EXPECT_EQ(authority->revoke(acme.admin, {acme.id, issued.id_hex, "bored"}).error().reason,
            "revocation.reason_invalid");
}

TEST_F(Enrolment, ValidationNamesEveryFinding) {
  const DeviceKey key;
  const auto issued = authority->enroll(acme.admin, request(acme, "pump-7", key)).value();
  const auto good = authority->validate(acme.admin, {acme.id, issued.certificate_pem, "", std::nullopt}).value();
  EXPECT_TRUE(good.valid);
  EXPECT_EQ(good.device, "pump-7");
  ASSERT_TRUE(authority->revoke(acme.admin, {acme.id, issued.id_hex}).ok());
  const auto late = issued.not_after + std::chrono::seconds{1};
  const auto bad = authority->validate(acme.admin, {acme.id, issued.certificate_pem, "", late}).value();
  std::set<std::string_view> reasons;
  for (const auto& finding : bad.findings) reasons.insert(finding.reason);
  EXPECT_TRUE(reasons.contains("chain.expired"));
  EXPECT_TRUE(reasons.contains("validation.revoked"));
  const auto elsewhere = authority->validate(beta.admin, {beta.id, issued.certificate_pem, "", std::nullopt}).value();
  EXPECT_FALSE(elsewhere.valid);
}

TEST_F(Enrolment, SecondAuthorityLoadsTheSameIssuers) {
  const auto issuer = authority->ensure_tenant_issuer(acme.admin, acme.id).value();
  const auto second = make_authority();
  ASSERT_TRUE(second->initialise_deployment().ok());
  EXPECT_EQ(second->device_root_pem().value(), authority->device_root_pem().value());
  EXPECT_EQ(second->ensure_tenant_issuer(acme.admin, acme.id)->id, issuer.id);
  const DeviceKey key;
  EXPECT_EQ(reason_of(second->enroll(acme.admin, request(acme, "pump-7", key))), "issued");
}

TEST_F(Enrolment, AnotherKeyEncryptionKeyDoesNotStart) {
  const auto stranger = make_authority(10);
  EXPECT_EQ(stranger->initialise_deployment().error().reason, "kek.unknown");
  const DeviceKey key;
  EXPECT_EQ(reason_of(stranger->enroll(acme.admin, request(acme, "pump-7", key))), "enroll.not_initialised");
}

TEST_F(Enrolment, InfrastructureNamesComeFromTheRequestNotTheCsr) {
  const DeviceKey server, again;
  InfrastructureRequest asked{InfrastructureRole::kServer, server.csr(), {"localhost", "127.0.0.1"}, std::nullopt};
  const auto issued = authority->issue_infrastructure(platform, asked);
  ASSERT_TRUE(issued.ok()) << to_log_text(issued.error());
  const auto leaf = x509::Certificate::parse_pem(issued->certificate_pem).value();
  EXPECT_EQ(leaf.subject_alt_names().size(), 2u);
  EXPECT_TRUE(leaf.allows(x509::ExtendedKeyUsage::kServerAuth));
  EXPECT_FALSE(leaf.allows(x509::ExtendedKeyUsage::kClientAuth));
  asked.csr = again.csr();
  EXPECT_EQ(reason_of(authority->issue_infrastructure(acme.admin, asked)), "enroll.caller_forbidden");
  asked.names = {"UPPER.example"};
  EXPECT_EQ(reason_of(authority->issue_infrastructure(platform, asked)), "enroll.name_invalid");
}

}  // namespace
}  // namespace muster::enroll
