// SPDX-License-Identifier: Apache-2.0
//
// Policies with everything they can say, what tenants attach, and grants: through deltas and base files, and as the
// view resolves them.
#include <gtest/gtest.h>

#include "core/policy.h"
#include "edge/base_file_writer.h"
#include "edge/entity_codec.h"
#include "edge/snapshot_loader.h"
#include "unit/edge/edge_fixture.h"

namespace muster::edge {
namespace {

PolicyState outspoken(const TenantId& tenant) {
  PolicyState policy{PolicyId::random(),
                     tenant,
                     EntityStatus::kActive,
                     {{PolicyAction::kPublish, "${tenant}/${device}/a", 1, 100},
                      {PolicyAction::kSubscribe, "${tenant}/${device}/b", 0},
                      {PolicyAction::kReceive, "${tenant}/${device}/b"},
                      {PolicyAction::kRetain, ""},
                      {PolicyAction::kWill, "${tenant}/${device}/c", kAnyQos, 0}}};
  policy.limits.publish_messages_per_second = 5;
  policy.limits.payload_octets = 1000;
  return policy;
}

DeviceGrant grant_on(const DeviceState& device, std::string filter) {
  PolicyActions actions;
  actions.add(PolicyAction::kPublish);
  actions.add(PolicyAction::kRetain);
  return {device.id, device.name, {actions, std::move(filter), 1, 20}};
}

IdentityChange round_trip(const IdentityChange& entity) {
  Bytes octets;
  EXPECT_TRUE(append_entity(octets, entity).ok());
  BytesView rest{octets};
  auto read = take_entity(rest);
  EXPECT_TRUE(read.ok());
  EXPECT_TRUE(rest.empty());
  return read.ok() ? std::move(*read) : IdentityChange{};
}

// A fleet in which the tenant attaches policies and d0 has grants.
struct AttachedFleet : Fleet {
  AttachedFleet() : Fleet(3), other(outspoken(acme.id)) {
    for (DeviceState& device : devices) device.policy_id = {};
    devices[1].groups = {};
    devices[2].policy_id = policy.id;
    acme.policies = {policy.id, {{"line-1", other.id}, {"line-2", policy.id}}};
    devices[0].grants = {grant_on(devices[1], "telemetry/#"), grant_on(devices[2], "#")};
  }
  std::vector<IdentityChange> all() const {
    auto entities = Fleet::entities();
    entities.emplace_back(other);
    return entities;
  }
  PolicyState other;
};

TEST(PolicyEntities, ComeBackFromADeltaAsTheyWere) {
  const AttachedFleet fleet;
  for (const IdentityChange& entity : fleet.all()) EXPECT_EQ(round_trip(entity), entity);
}

TEST(PolicyEntities, WithAnyOctetMissingAreBroken) {
  const AttachedFleet fleet;
  for (const IdentityChange& entity :
       {IdentityChange{fleet.acme}, IdentityChange{fleet.other}, IdentityChange{fleet.devices[0]}}) {
    Bytes octets;
    ASSERT_TRUE(append_entity(octets, entity).ok());
    for (std::size_t size = 0; size < octets.size(); ++size) {
      BytesView cut = BytesView{octets}.first(size);
      EXPECT_FALSE(take_entity(cut).ok()) << size;
    }
  }
}

// What a later version puts there could take a right away.
TEST(PolicyEntities, UnknownActionOrTenantPartIsNotSkipped) {
  const AttachedFleet fleet;
  Bytes rules;
  ASSERT_TRUE(append_policy_body(rules, fleet.other.rules, {}).ok());
  ASSERT_TRUE(read_policy_body(rules));
  rules[2] = 6;
  EXPECT_FALSE(read_policy_body(rules));
  Bytes attributes;
  ASSERT_TRUE(append_tenant_attributes(attributes, fleet.acme).ok());
  ASSERT_TRUE(read_tenant_attributes(attributes));
  attributes[0] = 77;
  EXPECT_FALSE(read_tenant_attributes(attributes));
}

class PolicyView : public testing::Test {
 protected:
  std::shared_ptr<const SnapshotView> written(const AttachedFleet& fleet) {
    EXPECT_TRUE(write_base_file(base_path(temp_.path()), 0600, {RawId{}, 1}, fleet.all()).ok());
    return load_base(temp_.path(), geteuid()).value();
  }
  static bool publishes(const IdentityView& view, const DeviceState& device, const std::string& last) {
    const auto facts = view.find_device(device.id);
    const PolicySubject subject{"acme", device.name, facts->groups, facts->labels};
    return facts->policy->allows_publish(subject, "acme/" + device.name + "/" + last);
  }
  TempFolder temp_;
};

TEST_F(PolicyView, ResolvesOwnThenGroupThenTenant) {
  AttachedFleet fleet;
  const auto base = written(fleet);
  const auto later = base->with({RawId{}, 2}, std::vector<IdentityChange>{fleet.acme, fleet.devices[0], fleet.other});

  for (const auto& view : {base, later}) {
    EXPECT_TRUE(publishes(*view, fleet.devices[0], "a")) << "of group line-1";
    EXPECT_FALSE(publishes(*view, fleet.devices[0], "telemetry/x"));
    EXPECT_FALSE(publishes(*view, fleet.devices[1], "a"));
    EXPECT_TRUE(publishes(*view, fleet.devices[1], "telemetry/x")) << "the tenant's";
    EXPECT_TRUE(publishes(*view, fleet.devices[2], "telemetry/x")) << "its own";
    EXPECT_EQ(view->find_device(fleet.devices[0].id)->policy->limits(), fleet.other.limits);
  }
  // One change of the tenant is enough for all of its devices.
  fleet.acme.policies.groups = {};
  const auto without = base->with({RawId{}, 2}, std::vector<IdentityChange>{fleet.acme});
  EXPECT_TRUE(publishes(*without, fleet.devices[0], "telemetry/x"));
  fleet.acme.policies = {};
  const auto bare = base->with({RawId{}, 2}, std::vector<IdentityChange>{fleet.acme});
  EXPECT_TRUE(publishes(*bare, fleet.devices[0], "events/x")) << "the built-in default";
}

TEST_F(PolicyView, APolicyThatIsAttachedButGoneAllowsNothing) {
  AttachedFleet fleet;
  fleet.other.status = EntityStatus::kGone;
  const auto view = written(fleet);
  EXPECT_FALSE(publishes(*view, fleet.devices[0], "a"));
  EXPECT_FALSE(publishes(*view, fleet.devices[0], "telemetry/x")) << "not the next one's turn";
}

TEST_F(PolicyView, HoldsGrants) {
  const AttachedFleet fleet;
  const auto base = written(fleet);
  const auto later = base->with({RawId{}, 2}, std::vector<IdentityChange>{fleet.devices[0]});
  for (const auto& view : {base, later}) {
    const auto grants = view->find_device(fleet.devices[0].id)->grants;
    ASSERT_EQ(grants.size(), 2U);
    EXPECT_EQ(to_state(grants[0]), fleet.devices[0].grants[0]);
    EXPECT_EQ(to_state(grants[1]), fleet.devices[0].grants[1]);
    EXPECT_TRUE(view->find_device(fleet.devices[1].id)->grants.empty());
    EXPECT_EQ(view->find_same(fleet.acme), IdentityChange{fleet.acme});
  }
}

}  // namespace
}  // namespace muster::edge
