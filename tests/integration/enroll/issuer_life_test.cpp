// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "core/encoding.h"
#include "enroll/issuer_desk.h"
#include "integration/enroll/customer_ca.h"
#include "integration/enroll/enroll_lab.h"
#include "registry/certificate_store.h"
#include "x509/certificate.h"

namespace muster::enroll {
namespace {

using registry::Issuer;
using registry::IssuerOrigin;
using registry::IssuerStatus;

class IssuerLife : public EnrollLab {
 protected:
  IssuerDesk desk() { return IssuerDesk(*authority); }

  Issuer make(const LabTenant& tenant, IssuerOrigin origin = IssuerOrigin::kInternal,
              const std::string& slot = "default") {
    NewIssuer wanted;
    wanted.origin = origin;
    wanted.slot = slot;
    const auto made = desk().create(tenant.admin, tenant.id, wanted);
    EXPECT_TRUE(made.ok()) << to_log_text(made.error());
    return made.ok() ? *made : Issuer{};
  }
  Issuer active(const LabTenant& tenant, const std::string& slot = "default") {
    return db::run_in_transaction(*pool, db::Scope::of_tenant(tenant.id),
                                  [&](db::Transaction& tx) {
                                    return registry::get_active_issuer(tx, tenant.id,
                                                                       registry::IssuerKind::kTenantIssuing, slot);
                                  })
        .value();
  }
  std::string status_of(const LabTenant& tenant, const IssuerId& id) {
    return std::string(to_string(
        db::run_in_transaction(*pool, db::Scope::of_tenant(tenant.id),
                               [&](db::Transaction& tx) { return registry::get_issuer_of(tx, tenant.id, id); })
            .value()
            .status));
  }
  std::string set(const LabTenant& tenant, const IssuerId& id, IssuerStatus status, Force force = Force::kNo) {
    const auto done = desk().set_status(tenant.admin, tenant.id, id, status, force);
    return done.ok() ? "" : std::string(done.error().reason);
  }
  std::string install(const LabTenant& tenant, const IssuerId& id, const std::string& chain) {
    const auto done = desk().install(tenant.admin, tenant.id, id, chain);
    return done.ok() ? "" : std::string(done.error().reason);
  }
  std::string request_of(const LabTenant& tenant, const IssuerId& id) {
    const auto pem = desk().request_pem(tenant.admin, tenant.id, id);
    EXPECT_TRUE(pem.ok()) << to_log_text(pem.error());
    return pem.ok() ? *pem : "";
  }
  IssuedCertificate enrol(const LabTenant& tenant, const std::string& device) {
    const DeviceKey key;
    auto issued = authority->enroll(tenant.admin, request(tenant, device, key));
    EXPECT_TRUE(issued.ok()) << to_log_text(issued.error());
    return issued.ok() ? *issued : IssuedCertificate{};
  }
  IssuerId issuer_of(const LabTenant& tenant, const IssuedCertificate& certificate) {
    return db::run_in_transaction(*pool, db::Scope::of_tenant(tenant.id),
                                  [&](db::Transaction& tx) {
                                    return registry::get_certificate(tx, tenant.id, certificate.id, clock.now());
                                  })
        .value()
        .issuer_id;
  }
  bool is_valid(const LabTenant& tenant, const IssuedCertificate& certificate) {
    const auto answer =
        authority->validate(tenant.admin, {tenant.id, certificate.certificate_pem, certificate.chain_pem, {}});
    return answer.ok() && answer->valid;
  }
  std::string count(const std::string& what) { return database.execute("SELECT count(*) FROM " + what); }
};

TEST_F(IssuerLife, BothVouchDuringARolloverAndTheRetiredOneNoMore) {
  const Issuer old = active(acme);
  const auto before = enrol(acme, "pump-1");
  const Issuer next = make(acme);
  EXPECT_EQ(to_string(next.status), "prepare");
  EXPECT_EQ(issuer_of(acme, enrol(acme, "pump-2")), old.id) << "in prepare it does not sign";
  EXPECT_EQ(count("muster.changes WHERE entity_kind = 2 AND entity_id = uuid_send('" + next.id.text() + "')"), "1")
      << "but edges know it";

  EXPECT_EQ(set(acme, next.id, IssuerStatus::kActive), "");
  EXPECT_EQ(status_of(acme, old.id), "retiring");
  const auto after = enrol(acme, "pump-3");
  EXPECT_EQ(issuer_of(acme, after), next.id);
  EXPECT_TRUE(is_valid(acme, before));
  EXPECT_TRUE(is_valid(acme, after));

  const auto refused = desk().set_status(acme.admin, acme.id, old.id, IssuerStatus::kRetired, Force::kNo);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "issuer.in_use");
  EXPECT_EQ(refused.error().detail.substr(0, 2), "2 ");
  EXPECT_EQ(set(acme, old.id, IssuerStatus::kRetired, Force::kYes), "");
  EXPECT_FALSE(is_valid(acme, before));
  EXPECT_TRUE(is_valid(acme, after));
  EXPECT_EQ(set(acme, old.id, IssuerStatus::kActive, Force::kYes), "issuer.status_invalid");
  EXPECT_EQ(set(acme, old.id, IssuerStatus::kRetired), "") << "the status that it has";
  EXPECT_EQ(count("muster.audit_events WHERE action = 'issuer.set_status'"), "3");
}

TEST_F(IssuerLife, AnIssuerWithoutCertificatesInUseRetiresWithoutForce) {
  const Issuer old = active(acme);
  const auto issued = enrol(acme, "pump-1");
  ASSERT_EQ(set(acme, make(acme).id, IssuerStatus::kActive), "");
  ASSERT_TRUE(authority->revoke(acme.admin, {acme.id, issued.id_hex, "superseded"}).ok());
  EXPECT_EQ(set(acme, old.id, IssuerStatus::kRetired), "");
}

TEST_F(IssuerLife, TheLastSignerOfASlotIsNotStoppedByMistake) {
  const Issuer only = active(acme);
  EXPECT_EQ(set(acme, only.id, IssuerStatus::kRetiring), "issuer.last_active");
  EXPECT_EQ(set(acme, only.id, IssuerStatus::kRetired, Force::kYes), "issuer.status_invalid");
  EXPECT_EQ(set(acme, only.id, IssuerStatus::kRetiring, Force::kYes), "");
  const DeviceKey key;
  EXPECT_EQ(reason_of(authority->enroll(acme.admin, request(acme, "pump-1", key))), "issuer.not_found");
}

TEST_F(IssuerLife, TheDatabaseItselfKeepsCertificatesAndRetirement) {
  const Issuer only = active(acme);
  const auto update = [&](const std::string& assignment) {
    return database.execute("DO $$ BEGIN UPDATE muster.issuers SET " + assignment + " WHERE id = '" + only.id.text() +
                            "'; EXCEPTION WHEN check_violation THEN PERFORM set_config('test.refused', 'yes', false);"
                            " END $$; SELECT current_setting('test.refused', true)");
  };
  EXPECT_EQ(update("certificate = '\\x3000'"), "yes");
  EXPECT_EQ(update("chain = '{}'"), "yes");
  EXPECT_EQ(status_of(acme, only.id), "active");
}

TEST_F(IssuerLife, ASubordinateSignsUnderTheCustomersRoot) {
  const CustomerCa customer;
  const Issuer asked = make(acme, IssuerOrigin::kSubordinate);
  EXPECT_EQ(to_string(asked.status), "requested");
  EXPECT_EQ(set(acme, asked.id, IssuerStatus::kActive), "issuer.certificate_missing");
  EXPECT_EQ(count("muster.changes WHERE entity_kind = 2 AND entity_id = uuid_send('" + asked.id.text() + "')"), "0")
      << "edges need not know of a request";
  EXPECT_EQ(install(acme, asked.id, customer.chain(request_of(acme, asked.id))), "");
  EXPECT_EQ(status_of(acme, asked.id), "prepare");
  EXPECT_EQ(install(acme, asked.id, customer.chain(request_of(acme, asked.id))), "issuer.status_invalid");
  EXPECT_EQ(set(acme, asked.id, IssuerStatus::kActive), "");

  const auto issued = enrol(acme, "pump-1");
  EXPECT_EQ(issuer_of(acme, issued), asked.id);
  EXPECT_TRUE(customer.verifies(issued.certificate_pem, issued.chain_pem));
  EXPECT_TRUE(is_valid(acme, issued));
  EXPECT_EQ(authority->ca_certificates_pem(acme.id).value().find(customer.root()) == std::string::npos, false);
}

// As an administrator's software does that sets its own subject and keeps the request's extensions.
TEST_F(IssuerLife, ACustomersCaMayChooseTheSubjectAndTakeTheRequestedExtensions) {
  const CustomerCa customer;
  const Issuer asked = make(acme, IssuerOrigin::kSubordinate);
  customer.write("request.pem", request_of(acme, asked.id));
  customer.openssl(
      "x509 -req -in request.pem -CA root.pem -CAkey root.key -CAcreateserial -copy_extensions copyall"
      " -subj '/O=Customer/CN=Devices of acme' -sha256 -days 365 -out signed.pem");
  const auto text = customer.read("signed.pem");
  const auto certificate = x509::Certificate::parse_pem(text).value();
  EXPECT_EQ(certificate.path_length(), 1U);
  ASSERT_TRUE(certificate.name_constraints());
  EXPECT_EQ(certificate.name_constraints()->permitted.at(0).value, "acme.muster.internal");
  ASSERT_EQ(install(acme, asked.id, text + customer.root()), "");
  ASSERT_EQ(set(acme, asked.id, IssuerStatus::kActive), "");
  EXPECT_TRUE(customer.verifies(enrol(acme, "pump-1").certificate_pem, text));
}

TEST_F(IssuerLife, EveryFaultOfAChainHasItsReasonAndChangesNothing) {
  const CustomerCa customer, impostor, shallow{"critical,CA:TRUE,pathlen:0"};
  const Issuer asked = make(acme, IssuerOrigin::kSubordinate);
  const std::string request = request_of(acme, asked.id);
  const std::string other = request_of(acme, make(acme, IssuerOrigin::kSubordinate).id);
  const std::string ids = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";
  const std::string ca = "basicConstraints=critical,CA:TRUE,pathlen:0\n";
  const std::string usage = "keyUsage=critical,keyCertSign,cRLSign\n";
  const struct {
    std::string reason, chain;
  } faults[] = {
      {"issuer.chain_malformed", "nothing"},
      {"issuer.chain_malformed",
       customer.chain(request) + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
      {"issuer.chain_malformed", customer.sign(request) + customer.root() + customer.root()},
      {"issuer.chain_incomplete", customer.sign(request)},
      {"issuer.key_mismatch", customer.chain(other)},
      {"issuer.key_mismatch", customer.root()},
      {"issuer.not_ca", customer.chain(request, "basicConstraints=critical,CA:FALSE\n" + usage + ids)},
      {"issuer.key_usage_missing", customer.chain(request, ca + "keyUsage=critical,keyCertSign\n" + ids)},
      {"issuer.key_usage_missing", customer.chain(request, ca + "keyUsage=critical,cRLSign\n" + ids)},
      {"issuer.extended_key_usage", customer.chain(request, ca + usage + ids + "extendedKeyUsage=serverAuth\n")},
      {"issuer.name_constraints",
       customer.chain(request, ca + usage + ids + "nameConstraints=critical,permitted;URI:beta.muster.internal\n")},
      {"issuer.name_constraints",
       customer.chain(request, ca + usage + ids + "nameConstraints=critical,excluded;URI:.muster.internal\n")},
      {"issuer.name_constraints",
       customer.chain(request, ca + usage + ids + "nameConstraints=critical,permitted;dirName:d\n[d]\nO=Customer\n")},
      {"issuer.subject_key_id_missing", customer.chain(request, ca + usage + "subjectKeyIdentifier=none\n")},
      {"issuer.signature_algorithm", customer.chain(request, kIssuingExtensions, "-sha1 -days 365")},
      {"issuer.signature_invalid", customer.sign(request) + impostor.root()},
      {"issuer.path_length", shallow.chain(request)},
      {"issuer.critical_extension",
       customer.chain(request, ca + usage + ids + "1.3.6.1.4.1.55555.1=critical,ASN1:NULL\n")},
  };
  for (const auto& fault : faults) EXPECT_EQ(install(acme, asked.id, fault.chain), fault.reason) << fault.chain;
  const std::string ends_soon = customer.chain(request, kIssuingExtensions, "-sha256 -days 1");
  clock.advance(std::chrono::hours{48});
  EXPECT_EQ(install(acme, asked.id, ends_soon), "issuer.not_valid_now");
  EXPECT_EQ(status_of(acme, asked.id), "requested");
  EXPECT_EQ(install(acme, asked.id, customer.chain(request, ca + usage + ids)), "") << "path length 0 allows devices";
}

TEST_F(IssuerLife, AnotherTenantsIssuersAreNotThere) {
  const CustomerCa customer;
  const Issuer victim = make(acme, IssuerOrigin::kSubordinate);
  const std::string chain = customer.chain(request_of(acme, victim.id));
  EXPECT_EQ(install(beta, victim.id, chain), "issuer.not_found");
  EXPECT_EQ(set(beta, victim.id, IssuerStatus::kRetired, Force::kYes), "issuer.not_found");
  EXPECT_EQ(desk().request_pem(beta.admin, beta.id, victim.id).error().reason, "issuer.not_found");
  EXPECT_EQ(desk().install(beta.admin, acme.id, victim.id, chain).error().reason, "enroll.caller_forbidden");
  EXPECT_EQ(desk().create(acme.factory, acme.id, {}).error().reason, "enroll.caller_forbidden");
  EXPECT_EQ(desk().create(beta.admin, acme.id, {}).error().reason, "enroll.caller_forbidden");
  // The victim's chain for an issuer of one's own: another key.
  EXPECT_EQ(install(beta, make(beta, IssuerOrigin::kSubordinate).id, chain), "issuer.key_mismatch");
  // Nor can the platform's CAs be reached through a tenant.
  const auto platform_issuer = database.execute("SELECT id FROM muster.issuers WHERE kind = 'device-intermediate'");
  EXPECT_EQ(set(acme, IssuerId::parse(platform_issuer).value(), IssuerStatus::kRetired, Force::kYes),
            "issuer.not_found");
  EXPECT_EQ(status_of(acme, victim.id), "requested");
}

TEST_F(IssuerLife, OfActivationsAtOnceEachCountsAndOneIsLeftActive) {
  std::vector<IssuerId> candidates;
  for (int i = 0; i < 6; ++i) candidates.push_back(make(acme).id);
  std::vector<std::thread> threads;
  std::atomic<int> done{0};
  for (const IssuerId& id : candidates) {
    threads.emplace_back([&, id] { done += set(acme, id, IssuerStatus::kActive).empty() ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 6);
  EXPECT_EQ(count("muster.issuers WHERE tenant_id = '" + acme.id.text() + "' AND status = 'active'"), "1");
  EXPECT_EQ(count("muster.issuers WHERE tenant_id = '" + acme.id.text() + "' AND status = 'retiring'"), "6");
}

TEST_F(IssuerLife, ARequestOutlivesTheProcessThatMadeIt) {
  const CustomerCa customer;
  const Issuer asked = make(acme, IssuerOrigin::kSubordinate);
  const std::string request = request_of(acme, asked.id);
  authority = make_authority();
  ASSERT_TRUE(authority->initialise_deployment().ok());
  EXPECT_EQ(request_of(acme, asked.id), request);
  EXPECT_EQ(install(acme, asked.id, customer.chain(request)), "");
  EXPECT_EQ(set(acme, asked.id, IssuerStatus::kActive), "");
  const auto issued = enrol(acme, "pump-1");
  EXPECT_TRUE(customer.verifies(issued.certificate_pem, issued.chain_pem));
}

TEST_F(IssuerLife, ASecondSlotHasASignerOfItsOwn) {
  const Issuer first = active(acme);
  const Issuer second = make(acme, IssuerOrigin::kInternal, "gateways");
  EXPECT_EQ(set(acme, second.id, IssuerStatus::kActive), "");
  EXPECT_EQ(active(acme).id, first.id);
  EXPECT_EQ(active(acme, "gateways").id, second.id);
  NewIssuer wanted;
  for (const char* slot : {"", "-x", "A", "a b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
    wanted.slot = slot;
    EXPECT_EQ(desk().create(acme.admin, acme.id, wanted).error().reason, "issuer.slot_invalid") << slot;
  }
}

TEST_F(IssuerLife, ATenantsIssuersAreBounded) {
  for (std::size_t i = 1; i < kMaxIssuersInUse; ++i) make(acme);
  EXPECT_EQ(desk().create(acme.admin, acme.id, {}).error().reason, "issuer.too_many");
  EXPECT_NE(desk().create(beta.admin, beta.id, {}).ok(), false) << "another tenant is not touched";
}

TEST_F(IssuerLife, CrossCertificatesGiveTheSameKeyAnotherRoot) {
  const CustomerCa partner;
  const Issuer issuer = active(acme);
  const std::string request = request_of(acme, issuer.id);
  // The certificates that the issuer signed name it by its key identifier: the partner takes it over.
  const auto own = x509::Certificate::parse_der(issuer.certificate).value();
  const std::string extensions =
      "basicConstraints=critical,CA:TRUE,pathlen:1\nkeyUsage=critical,keyCertSign,cRLSign\n"
      "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=" +
      to_hex(own.subject_key_id()) + "\n";
  const std::string alternative = partner.sign(request, extensions);
  const auto added = desk().add_cross_certificate(acme.admin, acme.id, issuer.id, alternative + partner.root());
  ASSERT_TRUE(added.ok()) << to_log_text(added.error());
  const auto issued = enrol(acme, "pump-1");
  EXPECT_TRUE(partner.verifies(issued.certificate_pem, alternative));
  EXPECT_FALSE(partner.verifies(issued.certificate_pem, issued.chain_pem)) << "the own chain ends elsewhere";

  partner.write("request.pem", request);
  partner.write("extensions", kIssuingExtensions);
  partner.openssl(
      "x509 -req -in request.pem -CA root.pem -CAkey root.key -CAcreateserial -extfile extensions -sha256"
      " -days 9 -subj /CN=another -out signed.pem");
  EXPECT_EQ(desk()
                .add_cross_certificate(acme.admin, acme.id, issuer.id, partner.read("signed.pem") + partner.root())
                .error()
                .reason,
            "issuer.subject_differs");
  EXPECT_EQ(desk().remove_cross_certificate(beta.admin, beta.id, issuer.id, added->id).error().reason,
            "issuer.not_found");
  EXPECT_TRUE(desk().remove_cross_certificate(acme.admin, acme.id, issuer.id, added->id).ok());
  EXPECT_EQ(desk().remove_cross_certificate(acme.admin, acme.id, issuer.id, added->id).error().reason,
            "issuer.cross_certificate_not_found");
}

}  // namespace
}  // namespace muster::enroll
