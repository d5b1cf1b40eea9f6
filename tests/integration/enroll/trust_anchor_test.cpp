// SPDX-License-Identifier: Apache-2.0
//
// What may become a trust anchor, and what a device may do by one, against hostile tenants and a stolen edge.
#include "enroll/trust_anchor.h"

#include <atomic>
#include <fstream>
#include <thread>

#include "core/encoding.h"
#include "enroll/external_crl.h"
#include "enroll/self_registration.h"
#include "integration/auth_plugin/device_pki.h"
#include "integration/enroll/enroll_lab.h"
#include "registry/entity_loader.h"
#include "support/temp_folder.h"
#include "x509/certificate.h"

namespace muster::enroll {
namespace {

using registry::TrustAnchorStatus;
using test_support::Credential;
using test_support::make_certificate;

Credential make_ca(const std::string& name, const Credential* issuer = nullptr, long days = 3650) {
  return make_certificate({.common_name = name, .extended_key_usage = "", .ca = true, .not_after_offset = days * 86400},
                          issuer);
}

std::string pem_of(const Credential& credential) { return x509::Certificate::parse_der(credential.der())->pem(); }

template <typename T>
std::string told(const Result<T>& result) {
  return result.ok() ? std::string("ok") : std::string(result.error().reason);
}

class TrustAnchorTest : public EnrollLab {
 protected:
  NewTrustAnchor request(const std::string& pem) const {
    NewTrustAnchor made;
    made.certificates_pem = pem;
    return made;
  }
  Result<MadeTrustAnchor> create(const LabTenant& tenant, const std::string& pem) {
    return anchors().create(tenant.admin, tenant.id, request(pem));
  }
  static std::string proof(const Credential& ca, const std::string& code, long seconds = 86400) {
    return pem_of(make_certificate({.common_name = code, .not_after_offset = seconds}, &ca));
  }
  IssuerId anchored(const LabTenant& tenant, const Credential& ca, registry::SelfRegistration self = {}) {
    NewTrustAnchor made = request(pem_of(ca));
    made.self_registration = std::move(self);
    const auto anchor = anchors().create(tenant.admin, tenant.id, made);
    EXPECT_TRUE(anchor.ok()) << to_log_text(anchor.error());
    const auto verified = anchors().verify(tenant.admin, tenant.id, anchor->row.id, proof(ca, anchor->code));
    EXPECT_TRUE(verified.ok()) << to_log_text(verified.error());
    return anchor->row.id;
  }
  TrustAnchors anchors() { return TrustAnchors{*authority}; }

  Result<std::string> claim(const LabTenant& tenant, const IssuerId& anchor, std::vector<Bytes> chain,
                            std::vector<TenantId> served = {}) {
    Caller edge;
    edge.role = CallerRole::kEdge;
    edge.edge = EdgeId::random();
    return DeviceRegistrar{*authority}.register_device(edge, served, {tenant.id, anchor, std::move(chain)});
  }
  Result<std::string> claim_device(const LabTenant& tenant, const IssuerId& anchor, const std::string& name,
                                   const Credential& ca) {
    return claim(tenant, anchor, {make_certificate({.common_name = name}, &ca).der()});
  }
  // Whether edges hear of the anchor as one that vouches.
  bool is_with_edges(const IssuerId& id) {
    bool found = false;
    const auto walked =
        db::run_in_transaction(*pool, db::Scope::system().repeatable_read(), [&](db::Transaction& tx) -> Result<void> {
          return registry::for_each_entity(
              tx, {}, clock.now(), [&](const registry::EntityFacts& facts) -> Result<void> {
                const auto* anchor = std::get_if<registry::TrustAnchorFacts>(&facts);
                found = found || (anchor && anchor->id == id && anchor->standing == registry::Standing::kActive);
                return {};
              });
        });
    EXPECT_TRUE(walked.ok());
    return found;
  }

  Credential root_ = make_ca("Company Root");
};

TEST_F(TrustAnchorTest, EdgesHearOfAnAnchorOnceItIsProved) {
  const auto made = create(acme, pem_of(root_));
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->row.status, TrustAnchorStatus::kUnverified);
  EXPECT_FALSE(is_with_edges(made->row.id));

  const auto verified = anchors().verify(acme.admin, acme.id, made->row.id, proof(root_, made->code));
  ASSERT_TRUE(verified.ok());
  EXPECT_EQ(verified->status, TrustAnchorStatus::kActive);
  EXPECT_TRUE(is_with_edges(made->row.id));
}

TEST_F(TrustAnchorTest, AProofIsForOneTenantOneKeyOneTime) {
  const auto mine = create(acme, pem_of(root_));
  const auto theirs = create(beta, pem_of(root_));
  const IssuerId id = mine->row.id;
  const auto verify = [&](const std::string& pem) { return told(anchors().verify(acme.admin, acme.id, id, pem)); };

  EXPECT_EQ(verify(proof(root_, theirs->code)), "trust_anchor.proof_code_differs");
  EXPECT_EQ(verify(proof(make_ca("Company Root"), mine->code)), "trust_anchor.proof_invalid");
  EXPECT_EQ(verify(proof(root_, mine->code, -60)), "trust_anchor.proof_invalid");
  EXPECT_EQ(verify(pem_of(root_)), "trust_anchor.proof_code_differs");
  EXPECT_EQ(told(anchors().verify(beta.admin, acme.id, id, proof(root_, mine->code))), "enroll.caller_forbidden");
  EXPECT_EQ(told(anchors().verify(beta.admin, beta.id, id, proof(root_, mine->code))), "trust_anchor.not_found");
  EXPECT_EQ(verify(proof(root_, mine->code)), "ok");
  EXPECT_EQ(verify(proof(root_, mine->code)), "trust_anchor.already_verified");
}

TEST_F(TrustAnchorTest, AnExpiredCodeProvesNothing) {
  const auto made = create(acme, pem_of(root_));
  clock.advance(std::chrono::hours(25));
  EXPECT_EQ(told(anchors().verify(acme.admin, acme.id, made->row.id, proof(root_, made->code, 3 * 86400))),
            "trust_anchor.code_expired");

  const auto renewed = anchors().renew_code(acme.admin, acme.id, made->row.id);
  ASSERT_TRUE(renewed.ok()) << to_log_text(renewed.error());
  EXPECT_EQ(told(anchors().verify(acme.admin, acme.id, made->row.id, proof(root_, made->code, 3 * 86400))),
            "trust_anchor.proof_code_differs");
  EXPECT_EQ(told(anchors().verify(acme.admin, acme.id, made->row.id, proof(root_, renewed->code, 3 * 86400))), "ok");
}

TEST_F(TrustAnchorTest, AnotherCodeIsForItsTenantAndForAnchorsThatNobodyHasProved) {
  const auto made = create(acme, pem_of(root_));
  const IssuerId id = made->row.id;

  EXPECT_EQ(told(anchors().renew_code(acme.factory, acme.id, id)), "enroll.caller_forbidden");
  EXPECT_EQ(told(anchors().renew_code(beta.admin, acme.id, id)), "enroll.caller_forbidden");
  EXPECT_EQ(told(anchors().renew_code(beta.admin, beta.id, id)), "trust_anchor.not_found");
  EXPECT_EQ(told(anchors().verify(acme.admin, acme.id, id, proof(root_, made->code))), "ok");
  EXPECT_EQ(told(anchors().renew_code(acme.admin, acme.id, id)), "trust_anchor.already_verified");
}

TEST_F(TrustAnchorTest, OfTwoAtOnceOneRedeemsTheCode) {
  const auto made = create(acme, pem_of(root_));
  const std::string pem = proof(root_, made->code);
  std::atomic<int> winners{0};
  std::vector<std::jthread> racers;
  for (int i = 0; i < 8; ++i) {
    racers.emplace_back([&] { winners += anchors().verify(acme.admin, acme.id, made->row.id, pem).ok() ? 1 : 0; });
  }
  racers.clear();
  EXPECT_EQ(winners, 1);
}

TEST_F(TrustAnchorTest, WhatIsNoCaOfTheTenantsIsRefused) {
  const Credential leaf = make_certificate({.common_name = "leaf"}, &root_);
  const Credential expired = make_ca("Old", nullptr, -1);
  const Credential plant = make_ca("Plant", &root_);
  EXPECT_EQ(told(create(acme, "nonsense")), "trust_anchor.invalid");
  EXPECT_EQ(told(create(acme, pem_of(leaf))), "trust_anchor.not_a_ca");
  EXPECT_EQ(told(create(acme, pem_of(root_) + pem_of(leaf))), "trust_anchor.not_a_ca");
  EXPECT_EQ(told(create(acme, pem_of(expired))), "trust_anchor.not_valid");
  EXPECT_EQ(told(create(acme, pem_of(root_) + pem_of(make_ca("Stray")))), "trust_anchor.intermediate_unsigned");
  EXPECT_EQ(told(create(acme, pem_of(root_) + pem_of(plant))), "ok");
  EXPECT_EQ(told(create(acme, pem_of(root_))), "trust_anchor.key_exists");
  EXPECT_EQ(told(create(beta, pem_of(root_))), "ok");  // the same CA in another tenant is that tenant's affair
}

TEST_F(TrustAnchorTest, KeysOfThisDeploymentAreNobodysAnchor) {
  const auto issuer = authority->ensure_tenant_issuer(platform, acme.id);
  for (const std::string& pem :
       {issuer->certificate_pem, authority->device_root_pem().value(), authority->infrastructure_root_pem()}) {
    EXPECT_EQ(told(create(beta, pem)), "trust_anchor.key_refused");
    EXPECT_EQ(told(create(acme, pem)), "trust_anchor.key_refused");
  }
}

// Whoever knows the private half would be every device of the tenant.
TEST_F(TrustAnchorTest, ABlockedKeyIsNobodysAnchorNorAnIntermediates) {
  const Credential plant = make_ca("Plant", &root_);
  const auto blocked = x509::Certificate::parse_der(plant.der()).value();
  const test_support::TempFolder folder;
  std::ofstream{folder / "blocked"} << to_hex(blocked.spki_sha256()) << "\n";
  RegistrationAuthorityConfig config;
  config.blocked_keys_file = folder / "blocked";
  const auto server = RegistrationAuthority::create(config, ca::KeyEncryptionKey::from_bytes(Bytes(32, 9)).value(),
                                                    *pool, clock, metrics)
                          .value();
  ASSERT_TRUE(server->initialise_deployment().ok());
  const TrustAnchors strict{*server};

  EXPECT_EQ(told(strict.create(acme.admin, acme.id, request(pem_of(root_) + pem_of(plant)))), "trust_anchor.key_weak");
  EXPECT_EQ(told(strict.create(acme.admin, acme.id, request(pem_of(plant)))), "trust_anchor.key_weak");
  EXPECT_EQ(told(strict.create(acme.admin, acme.id, request(pem_of(root_)))), "ok");
}

// Edges hold what is revoked: what they could not take is refused before, not dropped on the way.
TEST_F(TrustAnchorTest, SoManyCertificatesAreRevokedAndNoMore) {
  const IssuerId anchor = anchored(acme, root_);
  database.execute(
      "INSERT INTO muster.external_revocations (tenant_id, anchor_id, certificate_id, revoked_at) SELECT '" +
      acme.id.text() + "', '" + anchor.text() + "', sha256(n::text::bytea), now() FROM generate_series(1, 99999) AS n");
  const auto revoke = [&](const std::string& name) {
    return told(anchors().revoke(acme.admin, acme.id, anchor, pem_of(make_certificate({.common_name = name}, &root_))));
  };
  const Credential last = make_certificate({.common_name = "last"}, &root_);
  const auto again = [&] { return told(anchors().revoke(acme.admin, acme.id, anchor, pem_of(last))); };
  EXPECT_EQ(again(), "ok");
  EXPECT_EQ(again(), "ok") << "it is there already";
  EXPECT_EQ(revoke("one-more"), "crl.too_many_entries");
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.external_revocations"), "100000");
  EXPECT_TRUE(is_with_edges(anchor));
}

TEST_F(TrustAnchorTest, ATenantHasRoomForSoManyAndSoManyOfOneName) {
  for (std::size_t i = 0; i < registry::kMaxTrustAnchorsOfOneName; ++i) {
    ASSERT_EQ(told(create(acme, pem_of(make_ca("Same")))), "ok");
  }
  EXPECT_EQ(told(create(acme, pem_of(make_ca("Same")))), "trust_anchor.name_limit_reached");
  for (std::size_t i = registry::kMaxTrustAnchorsOfOneName; i < registry::kMaxTrustAnchors; ++i) {
    ASSERT_EQ(told(create(acme, pem_of(make_ca("Ca " + std::to_string(i))))), "ok");
  }
  EXPECT_EQ(told(create(acme, pem_of(make_ca("One more")))), "trust_anchor.limit_reached");
  EXPECT_EQ(told(create(beta, pem_of(make_ca("Same")))), "ok");
}

TEST_F(TrustAnchorTest, NobodyButTheTenantsAdminTouchesAnAnchor) {
  const IssuerId id = anchored(acme, root_);
  for (const Caller& other : {beta.admin, acme.factory, caller(CallerRole::kAuditor, acme.id),
                              caller(CallerRole::kDevice, acme.id), caller(CallerRole::kEdge, std::nullopt)}) {
    EXPECT_EQ(told(anchors().update(other, acme.id, id, {})), "enroll.caller_forbidden");
    EXPECT_EQ(told(anchors().remove(other, acme.id, id)), "enroll.caller_forbidden");
    EXPECT_EQ(told(anchors().bind(other, acme.id, id, "d", CreateDevice::kYes)), "enroll.caller_forbidden");
    EXPECT_EQ(told(anchors().revoke(other, acme.id, id, pem_of(root_))), "enroll.caller_forbidden");
  }
}

TEST_F(TrustAnchorTest, StatusesHaveTheirSteps) {
  const auto made = create(acme, pem_of(root_));
  const auto set = [&](TrustAnchorStatus status) {
    TrustAnchorUpdate update;
    update.status = status;
    return told(anchors().update(acme.admin, acme.id, made->row.id, update));
  };
  EXPECT_EQ(set(TrustAnchorStatus::kActive), "trust_anchor.status_invalid");  // not without proof
  EXPECT_EQ(set(TrustAnchorStatus::kSuspended), "trust_anchor.status_invalid");
  ASSERT_TRUE(anchors().verify(acme.admin, acme.id, made->row.id, proof(root_, made->code)).ok());
  EXPECT_EQ(set(TrustAnchorStatus::kSuspended), "ok");
  EXPECT_FALSE(is_with_edges(made->row.id));
  EXPECT_EQ(set(TrustAnchorStatus::kNoNewDevices), "ok");
  EXPECT_TRUE(is_with_edges(made->row.id));
  EXPECT_EQ(set(TrustAnchorStatus::kUnverified), "trust_anchor.status_invalid");
  EXPECT_EQ(set(TrustAnchorStatus::kRevoked), "ok");
  EXPECT_EQ(set(TrustAnchorStatus::kActive), "trust_anchor.status_invalid");
}

TEST_F(TrustAnchorTest, RegistrationIsOffUnlessSaidOtherwise) {
  const IssuerId id = anchored(acme, root_);
  EXPECT_EQ(told(claim_device(acme, id, "d-1", root_)), "registration.off");
  EXPECT_EQ(told(claim_device(acme, IssuerId::random(), "d-1", root_)), "registration.off");
  EXPECT_EQ(told(claim_device(beta, id, "d-1", root_)), "registration.off");
}

TEST_F(TrustAnchorTest, TheServerVerifiesWhatAnEdgeClaims) {
  const IssuerId id = anchored(acme, root_, {.enabled = true});
  const Credential good = make_certificate({.common_name = "d-1"}, &root_);
  const Credential look_alike = make_ca("Company Root");
  const Credential forged = make_certificate({.common_name = "d-1"}, &look_alike);
  const Credential expired = make_certificate({.common_name = "d-1", .not_after_offset = -60}, &root_);
  const Credential wild = make_certificate({.common_name = "d/+"}, &root_);

  EXPECT_EQ(told(claim(acme, id, {forged.der()})), "chain.anchor_unknown");
  EXPECT_EQ(told(claim(acme, id, {expired.der()})), "chain.expired");
  EXPECT_EQ(told(claim(acme, id, {wild.der()})), "external.device_id_invalid");
  EXPECT_EQ(told(claim(acme, id, {Bytes{1, 2, 3}})), "certificate.malformed");
  EXPECT_EQ(told(claim(acme, id, {})), "chain.too_many_presented");
  EXPECT_EQ(told(claim(acme, id, std::vector<Bytes>(100, good.der()))), "chain.too_many_presented");
  EXPECT_EQ(told(claim(acme, id, {good.der()}, {beta.id})), "registration.tenant_not_served");
  EXPECT_EQ(told(DeviceRegistrar{*authority}.register_device(acme.admin, {}, {acme.id, id, {good.der()}})),
            "enroll.caller_forbidden");
  EXPECT_EQ(claim(acme, id, {good.der()}, {acme.id}).value(), "d-1");
  EXPECT_EQ(claim(acme, id, {good.der()}).value(), "d-1");  // again: the same
}

TEST_F(TrustAnchorTest, NoNameThatWasEverUsedRegistersItself) {
  const IssuerId id = anchored(acme, root_, {.enabled = true});
  const DeviceKey key;
  EnrollRequest own = EnrollLab::request(acme, "ours", key);
  own.create = CreateDevice::kYes;
  ASSERT_TRUE(authority->enroll(acme.admin, own).ok());
  EXPECT_EQ(told(claim_device(acme, id, "ours", root_)), "registration.name_taken");

  ASSERT_EQ(told(claim_device(acme, id, "gone", root_)), "ok");
  const auto deleted =
      db::run_in_transaction(*pool, db::Scope::of_tenant(acme.id), [&](db::Transaction& tx) -> Result<void> {
        MUSTER_TRY(const auto device, registry::get_device(tx, acme.id, DeviceName::parse("gone").value()));
        MUSTER_TRY_VOID(registry::delete_device(tx, acme.id, device.id, clock.now()));
        return registry::delete_credential(tx, acme.id,
                                           x509::external_credential_id(id, DeviceName::parse("gone").value()));
      });
  ASSERT_TRUE(deleted.ok());
  EXPECT_EQ(told(claim_device(acme, id, "gone", root_)), "registration.name_taken");
}

TEST_F(TrustAnchorTest, LimitsHoldAlsoAgainstManyAtOnce) {
  const IssuerId id = anchored(acme, root_, {.enabled = true, .max_devices = 3, .denied = {"bad", "worse-*"}});
  EXPECT_EQ(told(claim_device(acme, id, "bad", root_)), "registration.denied");
  EXPECT_EQ(told(claim_device(acme, id, "worse-1", root_)), "registration.denied");
  std::vector<Bytes> leaves;
  for (int i = 0; i < 8; ++i)
    leaves.push_back(make_certificate({.common_name = "d-" + std::to_string(i)}, &root_).der());
  std::atomic<int> registered{0};
  std::vector<std::jthread> racers;
  for (const Bytes& leaf : leaves) {
    racers.emplace_back([&, leaf] { registered += claim(acme, id, {leaf}).ok() ? 1 : 0; });
  }
  racers.clear();
  EXPECT_EQ(registered, 3);
  EXPECT_EQ(told(claim_device(acme, id, "late", root_)), "registration.limit_reached");
}

TEST_F(TrustAnchorTest, RegistrationsAreBoundedByTheMinute) {
  const IssuerId id = anchored(acme, root_, {.enabled = true, .devices_per_minute = 2});
  EXPECT_EQ(told(claim_device(acme, id, "a", root_)), "ok");
  EXPECT_EQ(told(claim_device(acme, id, "b", root_)), "ok");
  EXPECT_EQ(told(claim_device(acme, id, "c", root_)), "registration.too_fast");
  clock.advance(std::chrono::seconds(61));
  EXPECT_EQ(told(claim_device(acme, id, "c", root_)), "ok");
}

TEST_F(TrustAnchorTest, NoNewDevicesMeansNone) {
  const IssuerId id = anchored(acme, root_, {.enabled = true});
  TrustAnchorUpdate update;
  update.status = TrustAnchorStatus::kNoNewDevices;
  ASSERT_TRUE(anchors().update(acme.admin, acme.id, id, update).ok());
  EXPECT_EQ(told(claim_device(acme, id, "d-1", root_)), "registration.off");
}

TEST_F(TrustAnchorTest, ValidationSaysWhatABrokerWouldSay) {
  const IssuerId id = anchored(acme, root_);
  const Credential leaf = make_certificate({.common_name = "d-1"}, &root_);
  const auto says = [&] {
    ValidationRequest question;
    question.tenant = acme.id;
    question.certificate_pem = pem_of(leaf);
    const auto answer = authority->validate(acme.admin, question);
    if (!answer.ok()) return std::string(answer.error().reason);
    return answer->valid ? "valid " + answer->device.value_or("?") : std::string(answer->findings.front().reason);
  };
  EXPECT_EQ(says(), "device.not_registered");
  ASSERT_TRUE(anchors().bind(acme.admin, acme.id, id, "d-1", CreateDevice::kYes).ok());
  EXPECT_EQ(says(), "valid d-1");
  ASSERT_TRUE(anchors().revoke(acme.admin, acme.id, id, pem_of(leaf)).ok());
  EXPECT_EQ(says(), "external.revoked");
  TrustAnchorUpdate update;
  update.status = TrustAnchorStatus::kRevoked;
  ASSERT_TRUE(anchors().update(acme.admin, acme.id, id, update).ok());
  EXPECT_EQ(says(), "chain.anchor_unknown");
}

}  // namespace
}  // namespace muster::enroll
