// SPDX-License-Identifier: Apache-2.0
#include <future>

#include "core/policy_attachment.h"
#include "db/listener.h"
#include "integration/registry/registry_fixture.h"
#include "registry/reasons.h"

namespace muster::registry {
namespace {

class Changes : public RegistryTest {
 protected:
  static ChangeRecord record(EntityKind kind, const TenantId& tenant, BytesView id) {
    return {1, kind, tenant, Bytes(id.begin(), id.end())};
  }
};

TEST_F(Changes, ATransactionHeldOpenAcrossAPollIsNotSkipped) {
  const Tenant tenant = make_tenant("acme");
  const ChangePosition start = position();
  std::promise<void> slow_has_written;
  std::promise<void> let_slow_commit;
  auto slow = std::async(std::launch::async, [&] {
    return in(tenant.id, [&](Transaction& tx) -> Result<Device> {
      auto device = create_device(tx, tenant.id, new_device("slow"));
      slow_has_written.set_value();
      let_slow_commit.get_future().wait();
      return device;
    });
  });
  slow_has_written.get_future().wait();
  const Device fast = make_device(tenant.id, "fast");

  const ChangeBatch while_open = changes_since(start);
  let_slow_commit.set_value();
  const Device late = must(slow.get());
  const ChangeBatch after = changes_since(while_open.to);

  ASSERT_EQ(while_open.changes.size(), 1U);
  EXPECT_EQ(while_open.changes[0].entity_id, Bytes(fast.id.octets().begin(), fast.id.octets().end()));
  ASSERT_EQ(after.changes.size(), 1U);
  EXPECT_EQ(after.changes[0].entity_id, Bytes(late.id.octets().begin(), late.id.octets().end()));
  EXPECT_EQ(after.changes[0].number, while_open.to.number + 1);
}

TEST_F(Changes, NumbersAreDenseAndInCommitOrderUnderConcurrentWriters) {
  const Tenant tenant = make_tenant("acme");
  const ChangePosition start = position();
  constexpr int kWriters = 4;
  constexpr int kEach = 25;
  std::vector<std::future<void>> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.push_back(std::async(std::launch::async, [&, writer] {
      for (int i = 0; i < kEach; ++i) make_device(tenant.id, "d" + std::to_string(writer) + "-" + std::to_string(i));
    }));
  }

  ChangePosition at = start;
  std::uint64_t expected = start.number;
  bool dense = true;
  while (at.number < start.number + kWriters * kEach) {
    const ChangeBatch batch = changes_since(at);
    for (const ChangeRecord& change : batch.changes) dense = dense && change.number == ++expected;
    at = batch.to;
  }
  for (auto& writer : writers) writer.get();

  EXPECT_TRUE(dense);
  EXPECT_EQ(expected, start.number + kWriters * kEach);
}

TEST_F(Changes, AnEntityAnnouncedTwiceInATransactionIsOneChange) {
  const Tenant tenant = make_tenant("acme");
  const ChangePosition start = position();

  must(in(tenant.id, [&](Transaction& tx) -> Result<void> {
    MUSTER_TRY(const Device device, create_device(tx, tenant.id, new_device("d")));
    MUSTER_TRY_VOID(update_device(tx, tenant.id, device.id,
                                  {.status = DeviceStatus::kSuspended, .labels = {}, .groups = {}, .policy_id = {}}));
    return {};
  }));

  EXPECT_EQ(changes_since(start).changes.size(), 1U);
}

TEST_F(Changes, AnotherEpochAPositionAheadAndPrunedChangesAskForAReload) {
  make_tenant("acme");
  const ChangePosition at = position();
  const auto read = [&](const ChangePosition& since) {
    return reason_of(in_system([&](Transaction& tx) { return read_changes(tx, since, {}, 10); }));
  };

  EXPECT_EQ(read({RawId{}, at.number}), kChangesReloadRequired);
  EXPECT_EQ(read({at.epoch, at.number + 1}), kChangesReloadRequired);
  EXPECT_EQ(read({at.epoch, 0}), "");
  must(in_system([](Transaction& tx) { return prune_changes(tx, kYearLater + std::chrono::hours(24 * 365 * 50)); }));
  EXPECT_EQ(read({at.epoch, 0}), kChangesReloadRequired);
  EXPECT_EQ(read(at), "");
  must(in_system([](Transaction& tx) { return start_new_epoch(tx); }));
  EXPECT_EQ(read(at), kChangesReloadRequired);
}

TEST_F(Changes, ADatabaseOnAnotherTimelineGetsANewEpochOnce) {
  const ChangePosition before = position();
  const auto renew = [&] { return must(in_system([](Transaction& tx) { return renew_epoch_after_restore(tx); })); };

  EXPECT_FALSE(renew());
  database_.execute("UPDATE muster.change_counter SET timeline = timeline + 1");
  EXPECT_TRUE(renew());
  EXPECT_FALSE(renew());
  EXPECT_NE(position().epoch, before.epoch);
}

TEST_F(Changes, AListenerHearsOfACommit) {
  auto listener = must(db::Listener::create(database_.url("muster_server"), db::kChangesChannel));
  EXPECT_FALSE(must(listener->wait(std::chrono::milliseconds(0))));

  make_tenant("acme");

  EXPECT_TRUE(must(listener->wait(std::chrono::seconds(10))));
}

TEST_F(Changes, ATenantCannotAnnounceForAnother) {
  const Tenant acme = make_tenant("acme");
  const Tenant beta = make_tenant("beta");

  const auto result = in(acme.id, [&](Transaction& tx) -> Result<void> {
    announce(tx, EntityKind::kTenant, beta.id, beta.id.octets());
    return {};
  });

  // Not a refusal that a caller could mean: the statement goes with COMMIT.
  EXPECT_EQ(reason_of(result), "database.failed");
}

TEST_F(Changes, TheReaderGetsOnlyTheTenantsItMay) {
  const Tenant acme = make_tenant("acme");
  const Tenant beta = make_tenant("beta");
  const ChangePosition start = position();
  make_device(acme.id, "a");
  make_device(beta.id, "b");

  const std::vector<TenantId> wanted = {beta.id};
  const auto batch = must(in_system([&](Transaction& tx) { return read_changes(tx, start, wanted, 10); }));

  ASSERT_EQ(batch.changes.size(), 1U);
  EXPECT_EQ(batch.changes[0].tenant_id, beta.id);
  EXPECT_EQ(batch.to, position());
}

TEST_F(Changes, WhatIsLoadedIsThePresentStateInTheOrderItCanBeApplied) {
  const Tenant tenant = make_tenant("acme");
  const Issuer issuer = make_issuer(tenant.id);
  const Device device = make_device(tenant.id, "d");
  const NewCertificate certificate = issue(issuer, device.id);
  must(in(tenant.id, [&](Transaction& tx) {
    return revoke_certificate(tx, tenant.id, certificate.id, {RevocationReason::kSuperseded, kNow});
  }));
  const auto batch = changes_since({position().epoch, 0});

  const auto facts = must(in_system([&](Transaction& tx) { return load_changed(tx, batch.changes); }));

  ASSERT_EQ(facts.size(), 4U);
  EXPECT_EQ(std::get<TenantFacts>(facts[0]).name, "acme");
  EXPECT_EQ(std::get<IssuerFacts>(facts[1]).certificate, issuer.certificate);
  EXPECT_EQ(std::get<DeviceFacts>(facts[2]).standing, Standing::kActive);
  EXPECT_EQ(std::get<CertificateFacts>(facts[3]).standing, Standing::kGone);
}

TEST_F(Changes, AWalkShowsAllThatIsNotGone) {
  const Tenant acme = make_tenant("acme");
  const Tenant beta = make_tenant("beta");
  const Issuer issuer = make_issuer(acme.id);
  const Device device = make_device(acme.id, "d");
  const Device retired = make_device(acme.id, "old");
  make_device(beta.id, "other");
  issue(issuer, device.id);
  issue(issuer, device.id, kNow - std::chrono::hours(1));  // expired
  must(in(acme.id, [&](Transaction& tx) {
    return update_device(tx, acme.id, retired.id,
                         {.status = DeviceStatus::kRetired, .labels = {}, .groups = {}, .policy_id = {}});
  }));

  const std::vector<TenantId> only_acme = {acme.id};
  std::vector<std::size_t> kinds;
  must(db::run_in_transaction(*pool_, db::Scope::system().repeatable_read(), [&](Transaction& tx) {
    return for_each_entity(tx, only_acme, kNow, [&](const EntityFacts& facts) -> Result<void> {
      kinds.push_back(facts.index());
      return {};
    });
  }));

  EXPECT_EQ(kinds, (std::vector<std::size_t>{0, 1, 3, 4}));
}

TEST_F(Changes, ADevicesPolicyIsItsOwnThenItsGroupsThenTheTenants) {
  const Tenant tenant = make_tenant("acme");
  const std::vector<PolicyRule> rules = {{PolicyAction::kPublish, "${tenant}/${device}/x"}};
  const auto policy = [&](const std::string& name) {
    return must(in(tenant.id, [&](Transaction& tx) { return create_policy(tx, tenant.id, name, rules); })).id;
  };
  const PolicyId own = policy("own");
  const PolicyId group = policy("group");
  const PolicyId fallback = policy("fallback");
  NewDevice request = new_device("d");
  request.groups = {"line-1"};
  const Device device = must(in(tenant.id, [&](Transaction& tx) { return create_device(tx, tenant.id, request); }));
  const std::vector<ChangeRecord> both = {record(EntityKind::kTenant, tenant.id, tenant.id.octets()),
                                          record(EntityKind::kDevice, tenant.id, device.id.octets())};
  // As a broker resolves it.
  const auto in_force = [&] {
    const auto facts = must(in_system([&](Transaction& tx) { return load_changed(tx, both); }));
    const auto& loaded = std::get<DeviceFacts>(facts.at(1));
    const std::vector<std::string_view> groups(loaded.groups.begin(), loaded.groups.end());
    return policy_in_force(loaded.policy_id, groups, std::get<TenantFacts>(facts.at(0)).policies).id;
  };

  EXPECT_TRUE(in_force().is_nil());
  must(in(tenant.id, [&](Transaction& tx) { return set_tenant_default_policy(tx, tenant.id, fallback); }));
  EXPECT_EQ(in_force(), fallback);
  const ChangePosition before = position();
  must(in(tenant.id, [&](Transaction& tx) { return set_group_policy(tx, tenant.id, "line-1", group); }));
  EXPECT_EQ(in_force(), group);
  const auto announced = changes_since(before).changes;
  ASSERT_EQ(announced.size(), 1U) << "one change, however many devices the group has";
  EXPECT_EQ(announced[0].kind, EntityKind::kTenant);
  must(in(tenant.id, [&](Transaction& tx) {
    return update_device(tx, tenant.id, device.id, {.status = {}, .labels = {}, .groups = {}, .policy_id = own});
  }));
  EXPECT_EQ(in_force(), own);
  EXPECT_EQ(reason_of(in(tenant.id, [&](Transaction& tx) { return delete_policy(tx, tenant.id, "own"); })),
            kPolicyInUse);
}

TEST_F(Changes, APolicysRulesAndLimitsComeBackAsTheyWereStored) {
  const Tenant tenant = make_tenant("acme");
  const std::vector<PolicyRule> rules = {{PolicyAction::kPublish, "${tenant}/${device}/a", 1, 100},
                                         {PolicyAction::kReceive, "${tenant}/${device}/b"},
                                         {PolicyAction::kRetain, ""},
                                         {PolicyAction::kWill, "${tenant}/${device}/c", 0}};
  Limits limits;
  limits.publish_messages_per_second = 7;
  const auto made =
      must(in(tenant.id, [&](Transaction& tx) { return create_policy(tx, tenant.id, "p", rules, limits); }));
  const ChangeRecord change = record(EntityKind::kPolicy, tenant.id, made.id.octets());
  const auto loaded = must(in_system([&](Transaction& tx) { return load_changed(tx, {&change, 1}); }));

  EXPECT_EQ(made.rules, rules);
  EXPECT_EQ(made.limits, limits);
  EXPECT_EQ(std::get<PolicyFacts>(loaded.at(0)).rules, rules);
  EXPECT_EQ(std::get<PolicyFacts>(loaded.at(0)).limits, limits);
  const auto replaced =
      must(in(tenant.id, [&](Transaction& tx) { return replace_policy_rules(tx, tenant.id, "p", {}); }));
  EXPECT_TRUE(replaced.rules.empty());
  EXPECT_EQ(replaced.limits, Limits{});
}

}  // namespace
}  // namespace muster::registry
