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
#include "unit/edge/edge_fixture.h"

namespace muster::edge {
namespace {

class SnapshotFolderTest : public ::testing::Test {
 protected:
  SnapshotFolderTest() : folder_(temp_.make_folder("snapshot")), state_folder_(temp_.make_folder("state")) {}

  SnapshotFolderWriter writer() { return SnapshotFolderWriter::open({.folder = folder_}).value(); }
  std::unique_ptr<SnapshotFolder> reader() {
    return SnapshotFolder::create({.folder = folder_, .state_file = state_folder_ + "/held"}).value();
  }
  StreamPosition at(std::uint64_t number) const { return {epoch_, number}; }
  std::string refusal(SnapshotFolder& folder) {
    const auto refreshed = folder.refresh();
    return refreshed.ok() ? "" : std::string{refreshed.error().reason};
  }
  static void replace(const std::string& path, const Bytes& content) {
    ASSERT_TRUE(write_file_durably(path, content, 0644).ok());
  }

  TempFolder temp_;
  std::string folder_;
  std::string state_folder_;
  RawId epoch_ = random_raw_id();
};

TEST_F(SnapshotFolderTest, GivesBackWhatWasWritten) {
  const Fleet fleet{100};
  ASSERT_TRUE(writer().write_base(at(7), fleet.entities()).ok());

  const auto folder = reader();
  const auto view = folder->refresh().value()->view;

  EXPECT_EQ(view->position(), at(7));
  for (std::size_t i = 0; i < fleet.devices.size(); ++i) {
    const auto certificate = view->find_certificate(fleet.certificates[i].id);
    ASSERT_TRUE(certificate);
    EXPECT_EQ(certificate->device_id, fleet.devices[i].id);
    EXPECT_EQ(certificate->issuer_id, fleet.acme_issuer.id);
    EXPECT_EQ(certificate->tenant_id, fleet.acme.id);
    EXPECT_EQ(certificate->not_after, fleet.certificates[i].not_after);
    const auto device = view->find_device(fleet.devices[i].id);
    ASSERT_TRUE(device);
    EXPECT_EQ(device->name, fleet.devices[i].name);
    EXPECT_EQ(device->labels.at(0).second, std::to_string(i));
    EXPECT_EQ(device->groups.at(0), "line-1");
    const PolicySubject subject{"acme", device->name, device->groups, device->labels};
    EXPECT_TRUE(device->policy->allows_publish(subject, "acme/" + fleet.devices[i].name + "/telemetry/x"));
    EXPECT_FALSE(device->policy->allows_publish(subject, "acme/" + fleet.devices[i].name + "/events/x"));
  }
  EXPECT_EQ(view->find_tenant_by_name("beta")->id, fleet.beta.id);
  EXPECT_FALSE(view->find_tenant_by_name("gamma"));
  ASSERT_EQ(view->find_issuers_by_key(Fleet::key(2)).size(), 1U);
  EXPECT_EQ(view->find_issuers_by_key(Fleet::key(2))[0].certificate.size(), 2U);
  EXPECT_EQ(view->issuers().size(), 2U);
}

TEST_F(SnapshotFolderTest, DependsOnEveryBitOfACertificatesHash) {
  const Fleet fleet{3};
  ASSERT_TRUE(writer().write_base(at(1), fleet.entities()).ok());
  const auto view = reader()->refresh().value()->view;

  for (std::size_t octet = 0; octet < 32; ++octet) {
    Sha256 near = fleet.certificates[1].id;
    near[octet] ^= 1;
    EXPECT_FALSE(view->find_certificate(near)) << octet;
  }
}

TEST_F(SnapshotFolderTest, HoldsAnEmptyFleet) {
  ASSERT_TRUE(writer().write_base(at(1), {}).ok());
  const auto view = reader()->refresh().value()->view;
  EXPECT_FALSE(view->find_device(DeviceId::random()));
  EXPECT_FALSE(view->find_certificate(Fleet::random_hash()));
  EXPECT_TRUE(view->issuers().empty());
}

TEST_F(SnapshotFolderTest, RefusesEveryChangedOctetOfTheBase) {
  const Fleet fleet{2};
  ASSERT_TRUE(writer().write_base(at(1), fleet.entities()).ok());
  const std::string path = folder_ + "/base.snapshot";
  const Bytes sound = content_of(path);

  for (std::size_t i = 0; i < sound.size(); ++i) {
    Bytes changed = sound;
    changed[i] ^= 0x10;
    std::ofstream{path, std::ios::binary}.write(reinterpret_cast<const char*>(changed.data()),
                                                static_cast<std::streamsize>(changed.size()));
    ASSERT_FALSE(BaseFile::open(path, 0).ok()) << "octet " << i << " of " << sound.size();
  }
}

TEST_F(SnapshotFolderTest, RefusesEveryTruncationOfTheBase) {
  const Fleet fleet{2};
  ASSERT_TRUE(writer().write_base(at(1), fleet.entities()).ok());
  const Bytes sound = content_of(folder_ + "/base.snapshot");
  const std::string path = temp_.file("short");

  for (std::size_t size = 0; size < sound.size(); size += 7) {
    std::ofstream{path, std::ios::binary}.write(reinterpret_cast<const char*>(sound.data()),
                                                static_cast<std::streamsize>(size));
    const auto opened = BaseFile::open(path, 0);
    ASSERT_FALSE(opened.ok()) << size;
    EXPECT_EQ(opened.error().reason, "snapshot.corrupt");
  }
}

// A writer with a bug can seal broken tables under sound checksums: offsets are checked all the same.
TEST_F(SnapshotFolderTest, ChecksOffsetsUnderASoundChecksum) {
  namespace fmt = base_format;
  const Fleet fleet{2};
  ASSERT_TRUE(writer().write_base(at(1), fleet.entities()).ok());
  const std::string path = folder_ + "/base.snapshot";
  const Bytes sound = content_of(path);
  fmt::Header header{};
  std::memcpy(&header, sound.data(), sizeof header);
  const std::size_t head = sizeof header + header.section_count * sizeof(fmt::Section);

  int refused = 0;
  for (std::size_t i = sizeof header; i + 4 <= sound.size(); i += 4) {
    Bytes changed = sound;
    for (std::size_t k = 0; k < 4; ++k) changed[i + k] = 0xFE;
    header.header_crc = 0;
    header.body_crc = crc32c(BytesView{changed}.subspan(head));
    std::memcpy(changed.data(), &header, sizeof header);
    header.header_crc = crc32c(BytesView{changed}.first(head));
    std::memcpy(changed.data(), &header, sizeof header);
    replace(path, changed);
    const auto base = BaseFile::open(path, 0);
    if (!base.ok()) {
      ++refused;
      continue;
    }
    // What is accepted must at least be readable from end to end (sanitizers watch).
    std::size_t entities = 0;
    (*base)->for_each([&](const IdentityChange&) { ++entities; });
    EXPECT_LE(entities, 9U);
  }
  EXPECT_GT(refused, 50);
}

TEST_F(SnapshotFolderTest, RefusesAFileThatNeedsANewerReader) {
  namespace fmt = base_format;
  ASSERT_TRUE(writer().write_base(at(1), Fleet{1}.entities()).ok());
  const std::string path = folder_ + "/base.snapshot";
  for (const bool by_feature : {false, true}) {
    Bytes file = content_of(path);
    fmt::Header header{};
    std::memcpy(&header, file.data(), sizeof header);
    by_feature ? void(header.features = 1) : void(header.minimum_reader_version = 2);
    header.header_crc = 0;
    std::memcpy(file.data(), &header, sizeof header);
    const std::size_t head = sizeof header + header.section_count * sizeof(fmt::Section);
    header.header_crc = crc32c(BytesView{file}.first(head));
    std::memcpy(file.data(), &header, sizeof header);
    std::ofstream{temp_.file("newer"), std::ios::binary}.write(reinterpret_cast<const char*>(file.data()),
                                                               static_cast<std::streamsize>(file.size()));
    EXPECT_EQ(BaseFile::open(temp_.file("newer"), 0).error().reason, "snapshot.version_unsupported");
  }
}

TEST_F(SnapshotFolderTest, RefusesFilesThatOthersMayWrite) {
  ASSERT_TRUE(writer().write_base(at(1), Fleet{1}.entities()).ok());
  const std::string path = folder_ + "/base.snapshot";
  const auto folder = reader();

  for (const mode_t mode : {mode_t{0664}, mode_t{0646}, mode_t{0666}}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    EXPECT_EQ(refusal(*folder), "snapshot.permissions") << std::oct << mode;
  }
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  ASSERT_EQ(chmod(folder_.c_str(), 0777), 0);
  EXPECT_EQ(refusal(*folder), "snapshot.permissions");
  ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
  EXPECT_EQ(refusal(*folder), "");
}

TEST_F(SnapshotFolderTest, RefusesAFileOfAnotherUserUnlessItIsTheEdges) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  constexpr uid_t kStranger = 4242;
  ASSERT_TRUE(writer().write_base(at(1), Fleet{1}.entities()).ok());
  const std::string path = folder_ + "/base.snapshot";
  ASSERT_EQ(chown(path.c_str(), kStranger, 0), 0);

  EXPECT_EQ(BaseFile::open(path, 0).error().reason, "snapshot.permissions");
  EXPECT_TRUE(BaseFile::open(path, kStranger).ok());
}

TEST_F(SnapshotFolderTest, RefusesASymbolicLink) {
  ASSERT_TRUE(writer().write_base(at(1), Fleet{1}.entities()).ok());
  const std::string link = temp_.file("link");
  ASSERT_EQ(symlink((folder_ + "/base.snapshot").c_str(), link.c_str()), 0);
  EXPECT_EQ(BaseFile::open(link, 0).error().reason, "snapshot.permissions");
}

// The edge shows the broker's metrics: the broker's user must not make it show the edge's key.
TEST(ForeignFile, IsAFileAndNothingElse) {
  const TempFolder temp;
  const std::string secret = temp.file("edge.key");
  ASSERT_TRUE(write_file_durably(secret, as_bytes("key"), 0600).ok());
  ASSERT_TRUE(read_foreign_file(secret, 10).ok());
  ASSERT_EQ(symlink(secret.c_str(), temp.file("link").c_str()), 0);
  ASSERT_EQ(mkfifo(temp.file("fifo").c_str(), 0600), 0);

  EXPECT_FALSE(read_foreign_file(temp.file("link"), 10).ok());
  EXPECT_FALSE(read_foreign_file(temp.file("fifo"), 10).ok());
  EXPECT_FALSE(read_foreign_file(temp.path(), 10).ok());
  EXPECT_FALSE(read_foreign_file(secret, 2).ok());
}

TEST_F(SnapshotFolderTest, FollowsAFolderThatWasPutInPlaceOfAnother) {
  const Fleet fleet{2};
  ASSERT_TRUE(writer().write_base(at(1), fleet.entities()).ok());
  const auto folder = reader();
  ASSERT_TRUE(folder->refresh().value());
  ASSERT_EQ(rename(folder_.c_str(), (folder_ + ".old").c_str()), 0);
  temp_.make_folder("snapshot");
  auto successor = writer();
  ASSERT_TRUE(successor.write_base(at(2), fleet.entities()).ok());

  const auto moved = folder->refresh();
  ASSERT_TRUE(moved.ok() && moved->has_value());
  EXPECT_EQ((*moved)->view->position(), at(2));
  DeviceState gone = fleet.devices[0];
  gone.status = EntityStatus::kGone;
  ASSERT_TRUE(successor.write_delta(at(2), at(3), std::vector<IdentityChange>{gone}).ok());
  pollfd event{folder->wait_fd(), POLLIN, 0};
  EXPECT_EQ(poll(&event, 1, 1000), 1) << "a revocation must not wait for the next look in a second";
  EXPECT_EQ(folder->refresh().value()->view->position(), at(3));
}

TEST_F(SnapshotFolderTest, SaysWhenThereIsNoSnapshotYet) {
  const auto folder = reader();
  EXPECT_EQ(refusal(*folder), "snapshot.absent");
  EXPECT_FALSE(folder->age_seconds());
}

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
  for (const IdentityChange& entity : fleet.entities()) EXPECT_EQ(edge.view()->find_same(entity), entity);
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

  const UtcTime now = SystemClock{}.now();
  ASSERT_TRUE(edge.write_heartbeat(at(1), now, boottime_now() - std::chrono::seconds{30}).ok());
  ASSERT_TRUE(folder->refresh().ok());
  EXPECT_NEAR(static_cast<double>(folder->age_seconds().value()), 30, 2);

  ASSERT_TRUE(edge.write_heartbeat(at(9), now, boottime_now()).ok());
  ASSERT_TRUE(folder->refresh().ok());
  EXPECT_GE(folder->age_seconds().value(), 30U) << "a heartbeat for a state that we do not hold does not count";
}

TEST_F(SnapshotFolderTest, IsReadByOthersWhileItIsReplaced) {
  Fleet fleet{200};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(0), fleet.entities()).ok());
  const auto folder = reader();
  std::atomic<std::shared_ptr<const IdentityView>> current{folder->refresh().value()->view};
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> looked_up{0};
  std::vector<std::jthread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      while (!stop) {
        const auto view = current.load();
        for (const auto& certificate : fleet.certificates) {
          if (view->find_certificate(certificate.id) && view->find_device(certificate.device_id)) ++looked_up;
        }
      }
    });
  }

  for (std::uint64_t n = 1; n <= 100; ++n) {
    const std::vector<IdentityChange> change{fleet.devices[n], fleet.policy};
    ASSERT_TRUE(edge.write_delta(at(n - 1), at(n), change).ok());
    if (n % 20 == 0) {
      ASSERT_TRUE(edge.compact().ok());
    }
    if (const auto update = folder->refresh().value()) current.store(update->view);
  }
  stop = true;
  readers.clear();

  EXPECT_EQ(current.load()->position(), at(100));
  EXPECT_GT(looked_up.load(), 0U);
}

TEST_F(SnapshotFolderTest, LoadsAHundredThousandDevices) {
  const Fleet fleet{100'000};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(1), fleet.entities()).ok());

  const auto before = std::chrono::steady_clock::now();
  const auto folder = reader();
  const auto view = folder->refresh().value()->view;
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - before);

  EXPECT_TRUE(view->find_device(fleet.devices[77'777].id));
  std::printf("100,000 devices: %zu octets, usable after %lld us\n",
              static_cast<std::size_t>(std::filesystem::file_size(folder_ + "/base.snapshot")),
              static_cast<long long>(micros.count()));
}

}  // namespace
}  // namespace muster::edge
