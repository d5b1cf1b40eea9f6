// SPDX-License-Identifier: Apache-2.0
#include "edge/snapshot_folder_writer.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>

#include "core/crc32c.h"
#include "edge/base_file.h"
#include "edge/base_format.h"
#include "edge/folder_files.h"
#include "edge/snapshot_loader.h"
#include "edge/trusted_file.h"
#include "unit/edge/snapshot_folder_fixture.h"

namespace muster::edge {
namespace {

TEST_F(SnapshotFolderTest, AppliesDeltasAndNamesWhoChanged) {
  Fleet fleet{3};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(1), fleet.entities()).ok());
  const auto folder = reader();
  const auto first = folder->refresh().value();
  EXPECT_TRUE(first->everything);

  fleet.certificates[0].status = EntityStatus::kGone;
  fleet.beta.status = EntityStatus::kSuspended;
  ASSERT_TRUE(edge.write_delta(at(1), at(3), std::vector<IdentityChange>{fleet.certificates[0], fleet.beta}).ok());
  pollfd readable{folder->wait_fd(), POLLIN, 0};
  ASSERT_EQ(poll(&readable, 1, 5000), 1);
  const auto update = folder->refresh().value();

  ASSERT_TRUE(update);
  EXPECT_FALSE(update->everything);
  EXPECT_EQ(update->devices, std::vector{fleet.devices[0].id});
  EXPECT_EQ(update->tenants, std::vector{fleet.beta.id});
  EXPECT_EQ(update->view->position(), at(3));
  EXPECT_EQ(update->view->find_certificate(fleet.certificates[0].id)->status, EntityStatus::kGone);
  EXPECT_EQ(update->view->find_tenant_by_name("beta")->status, EntityStatus::kSuspended);
  EXPECT_EQ(first->view->find_certificate(fleet.certificates[0].id)->status, EntityStatus::kActive);
  EXPECT_FALSE(folder->refresh().value());
}

TEST_F(SnapshotFolderTest, FindsANameThatWasUsedAgain) {
  Fleet fleet{1};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(1), fleet.entities()).ok());
  const TenantState old{fleet.beta.id, "beta", EntityStatus::kGone};
  const TenantState again{TenantId::random(), "beta", EntityStatus::kActive};
  ASSERT_TRUE(edge.write_delta(at(1), at(2), std::vector<IdentityChange>{old, again}).ok());

  EXPECT_EQ(reader()->refresh().value()->view->find_tenant_by_name("beta")->id, again.id);
  ASSERT_TRUE(edge.compact().ok());
  EXPECT_EQ(reader()->refresh().value()->view->find_tenant_by_name("beta")->id, again.id);
}

TEST_F(SnapshotFolderTest, GivesADeviceNothingWhenItsPolicyIsMissingGoneOrAnothersTenants) {
  Fleet fleet{1};
  auto edge = writer();
  DeviceState device = fleet.devices[0];
  device.policy_id = PolicyId::random();
  ASSERT_TRUE(edge.write_base(at(1), std::vector<IdentityChange>{fleet.acme, fleet.policy, device}).ok());
  const auto allowed = [&] {
    const auto held = edge.view()->find_device(device.id);
    return held->policy->allows_publish({"acme", "d0", {}, {}}, "acme/d0/telemetry/x");
  };
  EXPECT_FALSE(allowed());

  PolicyState policy = fleet.policy;
  policy.id = device.policy_id;
  ASSERT_TRUE(edge.write_delta(at(1), at(2), std::vector<IdentityChange>{policy}).ok());
  EXPECT_TRUE(allowed());

  policy.tenant_id = fleet.beta.id;
  ASSERT_TRUE(edge.write_delta(at(2), at(3), std::vector<IdentityChange>{policy}).ok());
  EXPECT_FALSE(allowed());

  policy.tenant_id = fleet.acme.id;
  policy.status = EntityStatus::kGone;
  ASSERT_TRUE(edge.write_delta(at(3), at(4), std::vector<IdentityChange>{policy}).ok());
  EXPECT_FALSE(allowed());

  device.policy_id = PolicyId{};
  ASSERT_TRUE(edge.write_delta(at(4), at(5), std::vector<IdentityChange>{device}).ok());
  EXPECT_TRUE(allowed()) << "the default policy";
}

TEST_F(SnapshotFolderTest, KeepsTheLastGoodViewWhenADeltaIsBroken) {
  Fleet fleet{1};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(1), fleet.entities()).ok());
  const auto folder = reader();
  ASSERT_TRUE(folder->refresh().ok());
  ASSERT_TRUE(edge.write_delta(at(1), at(2), std::vector<IdentityChange>{fleet.acme}).ok());
  const std::string path = folder_ + "/" + delta_name(2);
  const Bytes sound = content_of(path);

  for (std::size_t i = 0; i < sound.size(); ++i) {
    Bytes changed = sound;
    changed[i] ^= 1;
    ASSERT_FALSE(decode_delta(changed).ok()) << i;
    ASSERT_FALSE(decode_delta(BytesView{sound}.first(i)).ok()) << i;
  }
  Bytes torn{sound.begin(), sound.begin() + 30};
  replace(path, torn);
  EXPECT_EQ(refusal(*folder), "snapshot.corrupt");

  replace(path, sound);
  EXPECT_EQ(folder->refresh().value()->view->position(), at(2));
}

TEST_F(SnapshotFolderTest, RefusesAGapBetweenDeltas) {
  Fleet fleet{1};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(1), fleet.entities()).ok());
  EXPECT_EQ(edge.write_delta(at(2), at(3), {}).error().reason, "snapshot.gap");
  replace(folder_ + "/" + delta_name(3), encode_delta(at(2), at(3), {}).value());
  const auto folder = reader();

  EXPECT_EQ(folder->refresh().value()->view->position(), at(1));
  EXPECT_EQ(refusal(*folder), "snapshot.gap");
}

TEST_F(SnapshotFolderTest, RefusesAnOlderBaseAlsoAfterARestart) {
  const Fleet fleet{1};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(5), fleet.entities()).ok());
  const Bytes old = content_of(folder_ + "/base.snapshot");
  ASSERT_TRUE(edge.write_delta(at(5), at(6), {}).ok());
  const auto folder = reader();
  ASSERT_EQ(folder->refresh().value()->view->position(), at(6));
  ASSERT_TRUE(edge.compact().ok());
  ASSERT_EQ(folder->refresh().value()->view->position(), at(6));

  replace(folder_ + "/base.snapshot", old);
  EXPECT_EQ(refusal(*folder), "snapshot.older_than_held");
  EXPECT_EQ(refusal(*reader()), "snapshot.older_than_held");
}

TEST_F(SnapshotFolderTest, TakesANewEpochAsABaseOnlyAndNeverGoesBackToAnEarlierOne) {
  const Fleet fleet{1};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(50), fleet.entities()).ok());
  const Bytes first_epoch = content_of(folder_ + "/base.snapshot");
  const auto folder = reader();
  ASSERT_TRUE(folder->refresh().ok());

  const RawId restored = random_raw_id();
  EXPECT_EQ(edge.write_delta(at(50), {restored, 51}, {}).error().reason, "snapshot.gap");
  ASSERT_TRUE(edge.write_base({restored, 3}, fleet.entities()).ok());
  const auto update = folder->refresh().value();
  EXPECT_TRUE(update->everything);
  EXPECT_EQ(update->view->position(), (StreamPosition{restored, 3}));

  replace(folder_ + "/base.snapshot", first_epoch);
  EXPECT_EQ(refusal(*folder), "snapshot.older_than_held");
  EXPECT_EQ(refusal(*reader()), "snapshot.older_than_held");
}

TEST_F(SnapshotFolderTest, RefusesEverythingWhenItsOwnStateIsBroken) {
  ASSERT_TRUE(writer().write_base(at(1), Fleet{1}.entities()).ok());
  ASSERT_TRUE(reader()->refresh().ok());
  replace(state_folder_ + "/held", Bytes{1, 2, 3});
  EXPECT_EQ(refusal(*reader()), "snapshot.corrupt");
}

TEST_F(SnapshotFolderTest, FindsByLookingWhatTheKernelDidNotTell) {
  Fleet fleet{4};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(0), fleet.entities()).ok());
  const auto folder = reader();
  ASSERT_TRUE(folder->refresh().ok());
  ASSERT_TRUE(edge.write_delta(at(0), at(1), {}).ok());
  const std::string first = folder_ + "/" + delta_name(1);
  ASSERT_EQ(::rename(first.c_str(), (state_folder_ + "/away").c_str()), 0);
  ASSERT_TRUE(edge.write_delta(at(1), at(2), {}).ok());
  EXPECT_EQ(refusal(*folder), "snapshot.gap");
  ASSERT_EQ(::link((state_folder_ + "/away").c_str(), first.c_str()), 0) << "a link is no rename: nothing is told";
  EXPECT_EQ(folder->refresh().value()->view->position(), at(2));
  ASSERT_TRUE(edge.write_delta(at(2), at(3), {}).ok());
  EXPECT_EQ(folder->refresh().value()->view->position(), at(3)) << "told of one";
}

// It was told of, and could not be used then: whatever comes next is a reason to look again.
TEST_F(SnapshotFolderTest, TriesADeltaAgainThatFailedOnce) {
  Fleet fleet{4};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(0), fleet.entities()).ok());
  const auto folder = reader();
  ASSERT_TRUE(folder->refresh().ok());
  ASSERT_TRUE(edge.write_delta(at(0), at(1), {}).ok());
  const std::string delta = folder_ + "/" + delta_name(1);
  ASSERT_EQ(::chmod(delta.c_str(), 0666), 0);
  EXPECT_EQ(refusal(*folder), "snapshot.permissions");
  ASSERT_EQ(::chmod(delta.c_str(), 0644), 0);
  ASSERT_TRUE(edge.write_heartbeat(at(1), SystemClock{}.now(), {}).ok());
  const auto update = folder->refresh();
  ASSERT_TRUE(update.ok() && update->has_value()) << "told of the heartbeat alone";
  EXPECT_EQ((*update)->view->position(), at(1));
}

TEST_F(SnapshotFolderTest, CompactsWithoutChangingWhatItSays) {
  Fleet fleet{50};
  auto edge = SnapshotFolderWriter::open({.folder = folder_, .max_deltas = 10}).value();
  ASSERT_TRUE(edge.write_base(at(0), fleet.entities()).ok());
  for (std::uint64_t n = 1; n <= 40; ++n) {
    CertificateState revoked = fleet.certificates[n];
    revoked.status = EntityStatus::kGone;
    ASSERT_TRUE(edge.write_delta(at(n - 1), at(n), std::vector<IdentityChange>{revoked}).ok());
  }
  ASSERT_TRUE(edge.wants_compaction());
  EXPECT_LE(edge.view()->layer_count(), 8U);
  const auto folder = reader();
  ASSERT_TRUE(folder->refresh().ok());

  ASSERT_TRUE(edge.compact().ok());
  const auto update = folder->refresh().value();

  EXPECT_FALSE(edge.wants_compaction());
  EXPECT_TRUE(list_deltas(folder_).empty());
  EXPECT_TRUE(update->everything);
  EXPECT_EQ(update->view->position(), at(40));
  for (std::size_t i = 0; i < 50; ++i) {
    const auto certificate = update->view->find_certificate(fleet.certificates[i].id);
    const bool active = certificate && certificate->status == EntityStatus::kActive;
    EXPECT_EQ(active, i == 0 || i > 40) << i;
  }
  const auto reopened = writer();
  EXPECT_EQ(reopened.view()->position(), at(40));
}

TEST_F(SnapshotFolderTest, GivesBackWholeStates) {
  const Fleet fleet{5};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(1), fleet.entities()).ok());
  for (const IdentityChange& entity : fleet.entities()) {
    const auto held = edge.view()->find_same(entity);
    ASSERT_TRUE(held);
    EXPECT_EQ(held_form(*held), held_form(entity));
  }
  std::size_t count = 0;
  edge.view()->for_each([&](const IdentityChange&) { ++count; });
  EXPECT_EQ(count, fleet.entities().size());
}

TEST_F(SnapshotFolderTest, CountsTheAgeOfTheStateThatItHolds) {
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(1), Fleet{1}.entities()).ok());
  const auto folder = reader();
  ASSERT_TRUE(folder->refresh().ok());
  EXPECT_FALSE(folder->age_seconds()) << "no heartbeat yet";

  const UtcTime then = SystemClock{}.now() - std::chrono::seconds{30};
  ASSERT_TRUE(edge.write_heartbeat(at(1), then, signature_of(1, then)).ok());
  ASSERT_TRUE(folder->refresh().ok());
  EXPECT_NEAR(static_cast<double>(folder->age_seconds().value()), 30, 2);

  const UtcTime now = SystemClock{}.now();
  ASSERT_TRUE(edge.write_heartbeat(at(9), now, signature_of(9, now)).ok());
  ASSERT_TRUE(folder->refresh().ok());
  EXPECT_GE(folder->age_seconds().value(), 30U) << "a heartbeat for a state that we do not hold does not count";
}

}  // namespace
}  // namespace muster::edge
