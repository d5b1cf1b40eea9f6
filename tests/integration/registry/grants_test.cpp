// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <future>

#include "integration/registry/registry_fixture.h"
#include "registry/grant_store.h"
#include "registry/reasons.h"

namespace muster::registry {
namespace {

PolicyActions actions(std::initializer_list<PolicyAction> list) {
  PolicyActions set;
  for (const PolicyAction action : list) set.add(action);
  return set;
}

class Grants : public RegistryTest {
 protected:
  Grants()
      : tenant_(make_tenant("acme")),
        gateway_(make_device(tenant_.id, "gw")),
        meter_(make_device(tenant_.id, "meter")) {}

  NewGrant on_meter() const {
    return {gateway_.id, meter_.id, actions({PolicyAction::kPublish}), {"telemetry/#"}, 1, 100, "token:test"};
  }
  Result<Grant> create(const NewGrant& grant) {
    return in(tenant_.id, [&](Transaction& tx) { return create_grant(tx, tenant_.id, grant); });
  }
  std::string refusal(const NewGrant& grant) { return reason_of(create(grant)); }
  std::vector<GrantFacts> at_the_edge(const DeviceId& device) {
    const ChangeRecord change{1, EntityKind::kDevice, tenant_.id,
                              Bytes(device.octets().begin(), device.octets().end())};
    const auto facts = must(in_system([&](Transaction& tx) { return load_changed(tx, {&change, 1}); }));
    return std::get<DeviceFacts>(facts.at(0)).grants;
  }
  bool announced_since(const ChangePosition& start, const DeviceId& device) {
    const auto changes = changes_since(start).changes;
    return std::ranges::any_of(changes, [&](const ChangeRecord& change) {
      return change.kind == EntityKind::kDevice && std::ranges::equal(change.entity_id, device.octets());
    });
  }

  const Tenant tenant_;
  const Device gateway_;
  const Device meter_;
};

TEST_F(Grants, AGrantReachesTheEdgesWithTheDeviceThatHasIt) {
  const ChangePosition start = position();
  NewGrant request = on_meter();
  request.filters = {"telemetry/#", "state"};
  const Grant made = must(create(request));

  EXPECT_EQ(made.on_name, "meter");
  EXPECT_EQ(made.filters, request.filters);
  EXPECT_TRUE(announced_since(start, gateway_.id));
  const auto held = at_the_edge(gateway_.id);
  ASSERT_EQ(held.size(), 2U);
  EXPECT_EQ(held[0].on, meter_.id);
  EXPECT_EQ(held[0].device, "meter");
  EXPECT_EQ(held[1].rule, (GrantRule{actions({PolicyAction::kPublish}), "state", 1, 100}));
  EXPECT_TRUE(at_the_edge(meter_.id).empty());
}

TEST_F(Grants, WhatASnapshotHoldsIsWhatChangesSaid) {
  must(create(on_meter()));
  std::vector<GrantFacts> walked;
  must(in_system([&](Transaction& tx) {
    return for_each_entity(tx, {}, kNow, [&](const EntityFacts& facts) -> Result<void> {
      const auto* device = std::get_if<DeviceFacts>(&facts);
      if (device && device->id == gateway_.id) walked = device->grants;
      return {};
    });
  }));
  ASSERT_EQ(walked.size(), 1U);
  EXPECT_EQ(walked[0].rule.filter, "telemetry/#");
}

TEST_F(Grants, WhatIsNotOneDevicesWayToAnotherIsRefused) {
  NewGrant request = on_meter();
  request.filters = {};
  EXPECT_EQ(refusal(request), kGrantFilterInvalid);
  for (const char* filter : {"", "a+", "#/a", "$share/g/a"}) {
    request.filters = {filter};
    EXPECT_EQ(refusal(request), kGrantFilterInvalid) << filter;
  }
  request.filters = std::vector<std::string>(kMaxGrantFilters + 1, "a");
  EXPECT_EQ(refusal(request), kGrantFilterInvalid);
  request = on_meter();
  request.actions = {};
  EXPECT_EQ(refusal(request), kGrantActionInvalid);
  request.actions = actions({PolicyAction::kReceive});
  EXPECT_EQ(refusal(request), kGrantActionInvalid);
  request.actions = actions({PolicyAction::kSubscribe, PolicyAction::kRetain});
  EXPECT_EQ(refusal(request), kGrantActionInvalid);
  request = on_meter();
  request.on = gateway_.id;
  EXPECT_EQ(refusal(request), kGrantSameDevice);
  request.on = DeviceId::random();
  EXPECT_EQ(refusal(request), kDeviceNotFound);
  const Tenant other = make_tenant("beta");
  request.on = make_device(other.id, "meter").id;
  EXPECT_EQ(refusal(request), kDeviceNotFound) << "another tenant's device is none";
}

TEST_F(Grants, ADeviceHoldsABoundedNumber) {
  for (std::size_t i = 0; i < kMaxGrantsOfDevice; ++i) must(create(on_meter()));
  EXPECT_EQ(refusal(on_meter()), kGrantLimitReached);
}

TEST_F(Grants, OneThatIsRevokedIsGoneAtOnceAndOnlyForItsHolder) {
  const Grant made = must(create(on_meter()));
  EXPECT_EQ(
      reason_of(in(tenant_.id, [&](Transaction& tx) { return delete_grant(tx, tenant_.id, meter_.id, made.id); })),
      kGrantNotFound);
  const ChangePosition start = position();
  must(in(tenant_.id, [&](Transaction& tx) { return delete_grant(tx, tenant_.id, gateway_.id, made.id); }));
  EXPECT_TRUE(announced_since(start, gateway_.id));
  EXPECT_TRUE(at_the_edge(gateway_.id).empty());
}

TEST_F(Grants, TheyEndWithEitherDeviceAndANamesakeInheritsNothing) {
  must(create(on_meter()));
  NewGrant back = on_meter();
  std::swap(back.device, back.on);
  must(create(back));
  const ChangePosition start = position();

  must(in(tenant_.id, [&](Transaction& tx) { return delete_device(tx, tenant_.id, meter_.id, kNow); }));

  EXPECT_TRUE(announced_since(start, gateway_.id)) << "who had a grant on it hears of it";
  EXPECT_TRUE(at_the_edge(gateway_.id).empty());
  EXPECT_EQ(database_.execute("SELECT count(*) FROM muster.device_grants"), "0");
  const Device again = make_device(tenant_.id, "meter");
  EXPECT_NE(again.id, meter_.id);
  EXPECT_TRUE(at_the_edge(again.id).empty());
  EXPECT_TRUE(at_the_edge(gateway_.id).empty());
  EXPECT_EQ(refusal(on_meter()), kDeviceNotFound);
}

TEST_F(Grants, SuspendingTheOtherDeviceIsAnnouncedToItsHolder) {
  must(create(on_meter()));
  const ChangePosition start = position();
  must(in(tenant_.id, [&](Transaction& tx) {
    return update_device(tx, tenant_.id, meter_.id,
                         {.status = DeviceStatus::kSuspended, .labels = {}, .groups = {}, .policy_id = {}});
  }));
  EXPECT_TRUE(announced_since(start, gateway_.id));
}

// A deletion that began first wins: the grant finds no device, or is deleted with it.
TEST_F(Grants, NoneOutlivesADeviceThatIsDeletedMeanwhile) {
  std::promise<void> deleted;
  std::promise<void> let_commit;
  auto deletion = std::async(std::launch::async, [&] {
    return in(tenant_.id, [&](Transaction& tx) -> Result<std::size_t> {
      auto done = delete_device(tx, tenant_.id, meter_.id, kNow);
      deleted.set_value();
      let_commit.get_future().wait();
      return done;
    });
  });
  deleted.get_future().wait();
  auto grant = std::async(std::launch::async, [&] { return create(on_meter()); });
  let_commit.set_value();
  must(deletion.get());
  EXPECT_EQ(reason_of(grant.get()), kDeviceNotFound);
  EXPECT_EQ(database_.execute("SELECT count(*) FROM muster.device_grants"), "0");
}

}  // namespace
}  // namespace muster::registry
