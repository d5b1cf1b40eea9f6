// SPDX-License-Identifier: Apache-2.0
#include <future>

#include "core/encoding.h"
#include "db/group.h"
#include "integration/registry/registry_fixture.h"
#include "registry/crl_store.h"
#include "registry/deployment_store.h"
#include "registry/reasons.h"

namespace muster::registry {
namespace {

class Registry : public RegistryTest {
 protected:
  auto remove_device(const Device& device) {
    return in(device.tenant_id, [&](Transaction& tx) { return delete_device(tx, device.tenant_id, device.id, kNow); });
  }
  auto try_device(const TenantId& tenant, const std::string& name) {
    return reason_of(in(tenant, [&](Transaction& tx) { return create_device(tx, tenant, new_device(name)); }));
  }
  auto try_reserve(const TenantId& tenant, std::vector<CertificateIntent> intents) {
    return reason_of(in(tenant, [&](Transaction& tx) { return reserve_intents(tx, tenant, intents); }));
  }
};

TEST_F(Registry, ANameIsHeldUntilEveryEdgeThatServesItKnowsOfTheDeletion) {
  const Tenant tenant = make_tenant("acme");
  const Tenant other = make_tenant("beta");
  const Edge edge = join_edge("plant", {tenant.id});
  join_edge("elsewhere", {other.id});
  const Device first = make_device(tenant.id, "d");
  EXPECT_EQ(try_device(tenant.id, "d"), kDeviceExists);

  must(remove_device(first));

  EXPECT_EQ(try_device(tenant.id, "d"), kDeviceNameHeld);
  acknowledge_all(edge);
  const Device second = make_device(tenant.id, "d");
  EXPECT_NE(second.id, first.id);
  EXPECT_EQ(reason_of(in(tenant.id, [&](Transaction& tx) { return get_device_by_id(tx, tenant.id, first.id); })),
            kDeviceNotFound);
}

TEST_F(Registry, ANameIsHeldWhileACertificateUnderItIsNeitherRevokedNorExpired) {
  const Tenant tenant = make_tenant("acme");
  const Issuer issuer = make_issuer(tenant.id);
  const Device device = make_device(tenant.id, "d");
  const NewCertificate certificate = issue(issuer, device.id);
  EXPECT_EQ(must(remove_device(device)), 1U);
  // As if a deletion had missed it.
  database_.execute("UPDATE muster.certificates SET status = 'active', revoked_at = NULL, revocation_reason = NULL");

  EXPECT_EQ(try_device(tenant.id, "d"), kDeviceNameHeld);
  database_.execute("UPDATE muster.certificates SET not_after = now() - interval '1 hour'");
  EXPECT_EQ(try_device(tenant.id, "d"), "");
}

TEST_F(Registry, ADeletedTenantsNameFollowsTheSameRuleAndNothingOfItIsLeftActive) {
  const Edge edge = join_edge("plant");
  const Tenant tenant = make_tenant("acme");
  const Issuer issuer = make_issuer(tenant.id);
  for (const char* name : {"a", "b", "c"}) issue(issuer, make_device(tenant.id, name).id);
  const NewToken token{tenant.id, TokenRole::kFactory, "", std::nullopt, random_hash()};
  must(in(tenant.id, [&](Transaction& tx) { return create_token(tx, token); }));
  must(in_system([&](Transaction& tx) { return begin_tenant_deletion(tx, tenant.id); }));

  int rounds = 1;
  while (!must(in_system([&](Transaction& tx) { return finish_tenant_deletion(tx, tenant.id, 2, kNow); }))) ++rounds;

  EXPECT_EQ(rounds, 2);
  EXPECT_EQ(database_.execute("SELECT count(*) FROM muster.certificates WHERE status = 'active'"), "0");
  EXPECT_EQ(database_.execute("SELECT status FROM muster.issuers"), "retired");
  EXPECT_EQ(reason_of(in_system([&](Transaction& tx) { return find_token_holder(tx, token.sha256, kNow); })),
            kTokenInvalid);
  const auto name = must(TenantName::parse("acme"));
  const auto create = [&] { return reason_of(in_system([&](Transaction& tx) { return create_tenant(tx, name); })); };
  EXPECT_EQ(create(), kTenantNameHeld);
  acknowledge_all(edge);
  EXPECT_EQ(create(), "");
  EXPECT_EQ(create(), kTenantExists);
}

TEST_F(Registry, AKeyBelongsToOneHolderForEver) {
  const Tenant acme = make_tenant("acme");
  const Tenant beta = make_tenant("beta");
  const Issuer issuer = make_issuer(acme.id);
  const Issuer beta_issuer = make_issuer(beta.id);
  const Device device = make_device(acme.id, "d");
  const Device neighbour = make_device(acme.id, "e");
  const Device stranger = make_device(beta.id, "d");
  const NewCertificate certificate = issue(issuer, device.id);
  const auto with_key = [&](const Issuer& by, const DeviceId& holder, const Sha256& key) {
    CertificateIntent intent = new_intent(by, holder);
    intent.spki_sha256 = key;
    return intent;
  };

  EXPECT_EQ(try_reserve(acme.id, {with_key(issuer, device.id, certificate.spki_sha256)}), "");
  EXPECT_EQ(try_reserve(acme.id, {with_key(issuer, neighbour.id, certificate.spki_sha256)}), kKeyAlreadyUsed);
  EXPECT_EQ(try_reserve(beta.id, {with_key(beta_issuer, stranger.id, certificate.spki_sha256)}), kKeyAlreadyUsed);
  EXPECT_EQ(try_reserve(acme.id, {with_key(issuer, device.id, beta_issuer.spki_sha256)}), kKeyAlreadyUsed);
  const Sha256 shared = random_hash();
  EXPECT_EQ(try_reserve(acme.id, {with_key(issuer, device.id, shared), with_key(issuer, neighbour.id, shared)}),
            kKeyAlreadyUsed);
  must(in(acme.id, [&](Transaction& tx) {
    return revoke_certificate(tx, acme.id, certificate.id, {RevocationReason::kKeyCompromise, kNow});
  }));
  EXPECT_EQ(try_reserve(acme.id, {with_key(issuer, device.id, certificate.spki_sha256)}), kKeyAlreadyUsed);
}

TEST_F(Registry, ACertificateWithoutItsIntentIsNotStored) {
  const Tenant tenant = make_tenant("acme");
  const Issuer issuer = make_issuer(tenant.id);
  const Device device = make_device(tenant.id, "d");
  const CertificateIntent intent = new_intent(issuer, device.id);
  const auto store = [&](const NewCertificate& certificate) {
    return reason_of(in(tenant.id, [&](Transaction& tx) {
      return store_certificates(tx, tenant.id, {&certificate, 1});
    }));
  };

  EXPECT_EQ(store(signed_from(intent)), kCertificateIntentMissing);
  EXPECT_EQ(try_reserve(tenant.id, {intent}), "");
  CertificateIntent other_key = intent;
  other_key.spki_sha256 = random_hash();
  EXPECT_EQ(store(signed_from(other_key)), kCertificateIntentMissing);
  EXPECT_EQ(store(signed_from(intent)), "");
  EXPECT_EQ(store(signed_from(intent)), kCertificateExists);
  EXPECT_EQ(try_reserve(tenant.id, {intent}), kSerialAlreadyUsed);
}

TEST_F(Registry, AnOrphanIntentIsShownAndRevokedOntoTheCrl) {
  const Tenant tenant = make_tenant("acme");
  const Issuer issuer = make_issuer(tenant.id);
  const Device device = make_device(tenant.id, "d");
  issue(issuer, device.id);
  const CertificateIntent orphan = new_intent(issuer, device.id);
  ASSERT_EQ(try_reserve(tenant.id, {orphan}), "");
  const UtcTime later = kYearLater + std::chrono::hours(24 * 365 * 50);

  const auto shown = must(in_system([&](Transaction& tx) { return list_orphan_intents(tx, later, 10); }));
  must(in_system([&](Transaction& tx) {
    return revoke_intent(tx, issuer.id, orphan.serial, {RevocationReason::kSuperseded, kNow});
  }));

  ASSERT_EQ(shown.size(), 1U);
  EXPECT_EQ(shown[0].serial, orphan.serial);
  const auto crl = revoked_serials(issuer.id);
  ASSERT_EQ(crl.size(), 1U);
  EXPECT_EQ(crl[0], orphan.serial);
  EXPECT_EQ(reason_of(in(tenant.id,
                         [&](Transaction& tx) {
                           const NewCertificate certificate = signed_from(orphan);
                           return store_certificates(tx, tenant.id, {&certificate, 1});
                         })),
            kCertificateIntentMissing);
  EXPECT_EQ(must(in_system([&](Transaction& tx) { return prune_intents(tx, later); })), 1U);
}

TEST_F(Registry, RevokingTwiceKeepsTheFirstReasonAndTime) {
  const Tenant tenant = make_tenant("acme");
  const Issuer issuer = make_issuer(tenant.id);
  const NewCertificate certificate = issue(issuer, make_device(tenant.id, "d").id);
  const auto revoke = [&](RevocationReason reason, UtcTime at) {
    return must(in(tenant.id, [&](Transaction& tx) {
      return revoke_certificate(tx, tenant.id, certificate.id, {reason, at});
    }));
  };

  EXPECT_TRUE(revoke(RevocationReason::kSuperseded, kNow).changed);
  const auto again = revoke(RevocationReason::kUnspecified, kYearLater);

  EXPECT_FALSE(again.changed);
  EXPECT_EQ(again.certificate.revocation_reason, RevocationReason::kSuperseded);
  EXPECT_EQ(again.certificate.revoked_at, kNow);
}

TEST_F(Registry, CertificatesAreListedInPagesAndFoundBySerial) {
  const Tenant tenant = make_tenant("acme");
  const Issuer issuer = make_issuer(tenant.id);
  const Device device = make_device(tenant.id, "d");
  std::vector<NewCertificate> issued;
  for (int i = 0; i < 5; ++i) issued.push_back(issue(issuer, device.id, kYearLater - std::chrono::hours(i)));
  issue(issuer, make_device(tenant.id, "e").id);
  const CertificateFilter filter{device.id, CertificateStatus::kActive, std::nullopt, std::nullopt};

  std::vector<Sha256> seen;
  PageRequest page{2, ""};
  do {
    const auto answer =
        must(in(tenant.id, [&](Transaction& tx) { return list_certificates(tx, tenant.id, filter, page, kNow); }));
    for (const auto& item : answer.items) seen.push_back(item.id);
    page.cursor = answer.next_cursor;
  } while (!page.cursor.empty());

  ASSERT_EQ(seen.size(), 5U);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], issued[static_cast<std::size_t>(4 - i)].id);
  const auto found = must(in(tenant.id, [&](Transaction& tx) {
    return get_certificate_by_reference(tx, tenant.id, to_hex(issued[1].serial), kNow);
  }));
  EXPECT_EQ(found.id, issued[1].id);
  EXPECT_EQ(found.certificate, issued[1].certificate);
  EXPECT_EQ(reason_of(in(tenant.id,
                         [&](Transaction& tx) {
                           return list_certificates(tx, tenant.id, {}, {2, "zz"}, kNow);
                         })),
            kCursorInvalid);
}

TEST_F(Registry, OneOfAGroupThatFailsDoesNotTakeTheOthersWithIt) {
  const Tenant tenant = make_tenant("acme");
  const Issuer issuer = make_issuer(tenant.id);
  std::vector<CertificateIntent> intents;
  for (int i = 0; i < 5; ++i) intents.push_back(new_intent(issuer, make_device(tenant.id, "d" + std::to_string(i)).id));
  intents[3].spki_sha256 = issuer.spki_sha256;  // a CA's key

  const auto results = db::run_group(*pool_, db::Scope::of_tenant(tenant.id), intents.size(),
                                     [&](Transaction& tx, std::span<const std::size_t> items) {
                                       std::vector<CertificateIntent> chosen;
                                       for (const std::size_t item : items) chosen.push_back(intents[item]);
                                       return reserve_intents(tx, tenant.id, chosen);
                                     });

  ASSERT_EQ(results.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(reason_of(results[i]), i == 3 ? kKeyAlreadyUsed : "");
  EXPECT_EQ(database_.execute("SELECT count(*) FROM muster.certificate_intents"), "4");
}

TEST_F(Registry, AJoinTokenThatTwoRedeemHasOneWinner) {
  NewEdge edge{"plant", {}, random_hash(), kYearLater};
  must(in_system([&](Transaction& tx) { return create_edge(tx, edge); }));
  std::vector<std::future<std::string>> racers;
  for (int i = 0; i < 6; ++i) {
    racers.push_back(std::async(std::launch::async, [&] {
      return reason_of(in_system([&](Transaction& tx) { return redeem_join_token(tx, edge.join_token_sha256, kNow); }));
    }));
  }

  int winners = 0;
  for (auto& racer : racers) {
    const std::string reason = racer.get();
    winners += reason.empty() ? 1 : 0;
    EXPECT_TRUE(reason.empty() || reason == kJoinTokenInvalid) << reason;
  }

  EXPECT_EQ(winners, 1);
}

TEST_F(Registry, RemovingAnEdgeTakesItsCertificateItsRoleAndItsToken) {
  const Edge edge = join_edge("plant");
  Issuer root = {};
  root.id = IssuerId::random();
  root.kind = IssuerKind::kInfrastructureRoot;
  root.status = IssuerStatus::kActive;
  root.spki_sha256 = random_hash();
  root.not_before = kNow;
  root.not_after = kYearLater;
  root.certificate = Bytes{1};
  must(in_system([&](Transaction& tx) { return insert_issuer(tx, root); }));
  const InfrastructureCertificate certificate{random_hash(), edge.id,     InfrastructureKind::kEdgeClient,
                                              root.id,       Bytes{1, 2}, random_hash(),
                                              kNow,          kYearLater,  Bytes{1}};
  must(in_system([&](Transaction& tx) { return store_infrastructure_certificate(tx, certificate); }));
  const std::string role = must(in_system([&](Transaction& tx) { return create_edge_role(tx, edge.id, "secret"); }));
  const auto known = [&] {
    return must(in_system([&](Transaction& tx) { return find_edge_by_certificate(tx, certificate.id, kNow); }))
        .has_value();
  };
  const auto role_exists = [&] {
    return database_.execute("SELECT count(*) FROM pg_roles WHERE rolname = '" + role + "'");
  };
  EXPECT_TRUE(known());
  EXPECT_EQ(role_exists(), "1");
  EXPECT_EQ(database_.execute("SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = '" + role + "'"),
            "SCRAM-SHA-256");

  const auto too_early = in_system([&](Transaction& tx) { return drop_edge_role(tx, edge.id); });
  ASSERT_FALSE(too_early.ok());
  EXPECT_EQ(too_early.error().reason, "database.value_refused");
  must(in_system([&](Transaction& tx) { return remove_edge(tx, edge.id, kNow); }));

  EXPECT_FALSE(known());
  EXPECT_EQ(database_.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = '" + role + "'"), "f");
  EXPECT_EQ(must(in_system(list_leftover_edge_roles)), std::vector<EdgeId>{edge.id});
  must(in_system([&](Transaction& tx) { return drop_edge_role(tx, edge.id); }));
  EXPECT_EQ(role_exists(), "0");
  EXPECT_TRUE(must(in_system(list_leftover_edge_roles)).empty());
  EXPECT_EQ(revoked_serials(root.id).size(), 1U);
  EXPECT_EQ(reason_of(in_system([&](Transaction& tx) { return create_edge_role(tx, edge.id, "again"); })),
            "database.value_refused");
}

TEST_F(Registry, AnAllowListIsOfOneFactoryOfOneTenantWhileItsTokenLasts) {
  const Tenant acme = make_tenant("acme");
  const Tenant beta = make_tenant("beta");
  const auto make = [&](TokenRole role, std::vector<std::string> devices) {
    const NewToken token{acme.id, role, "", std::nullopt, random_hash(), std::move(devices)};
    return in(acme.id, [&](Transaction& tx) { return create_token(tx, token); });
  };
  const Token listed = must(make(TokenRole::kFactory, {"a", "b"}));
  const Token other = must(make(TokenRole::kFactory, {}));
  const auto ask = [&](const TenantId& scope, const TenantId& claimed) {
    const std::vector<AllowListQuestion> questions{
        {listed.id, "c"}, {listed.id, "a"}, {other.id, "a"}, {listed.id, "b"}, {TokenId::random(), "a"}};
    return must(in(scope, [&](Transaction& tx) { return are_on_allow_list(tx, claimed, questions); }));
  };
  const std::vector<bool> none(5, false);

  EXPECT_EQ(ask(acme.id, acme.id), (std::vector<bool>{false, true, false, true, false}));
  EXPECT_EQ(ask(beta.id, beta.id), none);
  EXPECT_EQ(ask(beta.id, acme.id), none);
  EXPECT_FALSE(make(TokenRole::kTenantAdmin, {"a"}).ok());
  EXPECT_FALSE(make(TokenRole::kFactory, std::vector<std::string>(kMaxTokenDevices + 1, "x")).ok());
  must(in(acme.id, [&](Transaction& tx) { return revoke_token(tx, acme.id, listed.id, kNow); }));
  EXPECT_EQ(ask(acme.id, acme.id), none);
}

TEST_F(Registry, ADeviceIsMadeForAnActiveTenantOnly) {
  const Tenant tenant = make_tenant("acme");
  const auto make = [&](const char* name) {
    return reason_of(in(tenant.id, [&](Transaction& tx) { return create_device(tx, tenant.id, new_device(name)); }));
  };
  const auto set = [&](TenantStatus status) {
    must(in_system([&](Transaction& tx) { return set_tenant_status(tx, tenant.id, status); }));
  };
  set(TenantStatus::kSuspended);
  EXPECT_EQ(make("a"), kTenantInactive);
  set(TenantStatus::kActive);
  EXPECT_EQ(make("a"), "");
  must(in_system([&](Transaction& tx) { return begin_tenant_deletion(tx, tenant.id); }));
  EXPECT_EQ(make("b"), kTenantInactive);
}

TEST_F(Registry, ATokenIsFoundUntilItExpiresOrIsRevoked) {
  const NewToken token{{}, TokenRole::kPlatformAdmin, "ops", kYearLater, random_hash()};
  const auto stored = must(in_system([&](Transaction& tx) { return create_token(tx, token); }));
  const auto find = [&](UtcTime at) {
    return reason_of(in_system([&](Transaction& tx) { return find_token_holder(tx, token.sha256, at); }));
  };

  EXPECT_EQ(find(kNow), "");
  EXPECT_EQ(find(kYearLater), kTokenInvalid);
  must(in_system([&](Transaction& tx) { return revoke_token(tx, {}, stored.id, kNow); }));
  EXPECT_EQ(find(kNow), kTokenInvalid);
  EXPECT_EQ(must(in_system([](Transaction& tx) { return list_tokens(tx, {}, {}); })).items.size(), 1U);
}

TEST_F(Registry, DevicesAreMadeInBulkEachWithItsOwnResultAndSearchedByLabel) {
  const Tenant tenant = make_tenant("acme");
  make_device(tenant.id, "taken");
  std::vector<NewDevice> requests = {new_device("a"), new_device("taken"), new_device("b"), new_device("a")};
  requests[0].labels = {{"serial", "00:11"}, {"plant", "graz"}};
  requests[2].groups = {"z", "g"};
  requests.push_back(new_device("bad"));
  requests[4].labels = {{"x", "a/b"}};
  requests.push_back(new_device("nopolicy"));
  requests[5].policy_id = PolicyId::random();

  const auto results = must(in(tenant.id, [&](Transaction& tx) { return create_devices(tx, tenant.id, requests); }));

  const std::vector<std::string_view> expected = {"", kDeviceExists, "", kDeviceExists, kLabelInvalid, kPolicyNotFound};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(reason_of(results[i]), expected[i]) << i;
  DeviceFilter by_label;
  by_label.label = {"serial", "00:11"};
  const auto found = must(in(tenant.id, [&](Transaction& tx) { return list_devices(tx, tenant.id, by_label, {}); }));
  ASSERT_EQ(found.items.size(), 1U);
  EXPECT_EQ(found.items[0].labels, (Labels{{"plant", "graz"}, {"serial", "00:11"}}));
  DeviceFilter by_group;
  by_group.group = "g";
  EXPECT_EQ(
      must(in(tenant.id, [&](Transaction& tx) { return list_devices(tx, tenant.id, by_group, {}); })).items.size(), 1U);
}

TEST_F(Registry, ARetiredDeviceStaysRetired) {
  const Tenant tenant = make_tenant("acme");
  const Device device = make_device(tenant.id, "d");
  const auto set = [&](DeviceStatus status) {
    DeviceUpdate update;
    update.status = status;
    return reason_of(in(tenant.id, [&](Transaction& tx) { return update_device(tx, tenant.id, device.id, update); }));
  };

  EXPECT_EQ(set(DeviceStatus::kSuspended), "");
  EXPECT_EQ(set(DeviceStatus::kActive), "");
  EXPECT_EQ(set(DeviceStatus::kRetired), "");
  EXPECT_EQ(set(DeviceStatus::kActive), kDeviceStatusInvalid);
}

TEST_F(Registry, ATenantHasOneActiveIssuerAndItsStatusGoesForwardOnly) {
  const Tenant tenant = make_tenant("acme");
  const Issuer active = make_issuer(tenant.id);
  const Issuer next = make_issuer(tenant.id, IssuerStatus::kPrepare);
  const auto set = [&](const Issuer& issuer, IssuerStatus status) {
    return reason_of(in(tenant.id, [&](Transaction& tx) { return set_issuer_status(tx, issuer.id, status); }));
  };

  EXPECT_EQ(set(next, IssuerStatus::kActive), kIssuerActiveExists);
  EXPECT_EQ(set(active, IssuerStatus::kRetiring), "");
  EXPECT_EQ(set(next, IssuerStatus::kActive), "");
  EXPECT_EQ(set(active, IssuerStatus::kActive), kIssuerStatusInvalid);
  const auto signer = must(
      in(tenant.id, [&](Transaction& tx) { return get_active_issuer(tx, tenant.id, IssuerKind::kTenantIssuing); }));
  EXPECT_EQ(signer.id, next.id);
  EXPECT_EQ(signer.chain, next.chain);
}

TEST_F(Registry, CrlNumbersGrowAndFollowTheClock) {
  const Tenant tenant = make_tenant("acme");
  const Issuer issuer = make_issuer(tenant.id);
  const auto take = [&](UtcTime now) {
    return must(in_system([&](Transaction& tx) { return take_crl_number(tx, issuer.id, now); }));
  };

  const auto first = take(kNow);

  EXPECT_EQ(first, static_cast<std::uint64_t>(kNow.time_since_epoch().count()));
  EXPECT_EQ(take(kNow - std::chrono::hours(1)), first + 1);
}

TEST_F(Registry, TheTrustDomainOfADeploymentNeverChanges) {
  const auto ensure = [&](const char* domain) {
    const auto parsed = must(TrustDomain::parse(domain));
    return in_system([&](Transaction& tx) { return ensure_deployment(tx, parsed); });
  };

  const auto first = must(ensure("muster.example"));

  EXPECT_EQ(must(ensure("muster.example")).id, first.id);
  EXPECT_EQ(reason_of(ensure("other.example")), kDeploymentTrustDomainDiffers);
}

}  // namespace
}  // namespace muster::registry
