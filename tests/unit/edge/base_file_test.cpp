// SPDX-License-Identifier: Apache-2.0
#include "edge/base_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <map>
#include <thread>

#include "core/crc32c.h"
#include "edge/base_file_writer.h"
#include "edge/name_hash.h"
#include "edge/snapshot_loader.h"
#include "unit/edge/snapshot_folder_fixture.h"

namespace muster::edge {
namespace {

namespace fmt = base_format;

class BaseFileOf : public SnapshotFolderTest {
 protected:
  std::shared_ptr<const BaseFile> written(const std::vector<IdentityChange>& entities) {
    EXPECT_TRUE(write_base_file(path(), 0644, at(1), entities).ok());
    auto base = BaseFile::open(path(), geteuid());
    EXPECT_TRUE(base.ok()) << base.error().detail;
    return std::move(base).value();
  }
  std::string path() const { return base_path(folder_); }
};

// Each count has its own number of key octets that the rows leave out.
TEST_F(BaseFileOf, FindsEveryDeviceAndCertificateWhateverTheirNumber) {
  for (const std::size_t count : {0, 1, 2, 511, 512, 3000, 132'000}) {
    const Fleet fleet{count};
    const auto base = written(fleet.entities());
    for (std::size_t i = 0; i < count; ++i) {
      const auto certificate = base->find_certificate(fleet.certificates[i].id);
      ASSERT_TRUE(certificate) << i << " of " << count;
      EXPECT_EQ(certificate->device_id, fleet.devices[i].id);
      EXPECT_EQ(certificate->issuer_id, fleet.acme_issuer.id);
      EXPECT_EQ(certificate->not_after, fleet.certificates[i].not_after);
      const auto device = base->find_device(fleet.devices[i].id);
      ASSERT_TRUE(device);
      EXPECT_EQ(device->facts.id, fleet.devices[i].id);
      EXPECT_EQ(device->facts.labels.at(0).second, std::to_string(i));
      EXPECT_EQ(device->policy_id, fleet.policy.id);
    }
    EXPECT_FALSE(base->find_certificate(Fleet::random_hash()));
    EXPECT_FALSE(base->find_device(DeviceId::random()));
  }
}

TEST_F(BaseFileOf, KeepsEveryFieldOfACertificate) {
  Fleet fleet{6};
  const IssuerState second{IssuerId::random(), fleet.acme.id, EntityStatus::kActive, Fleet::key(3), Bytes{1}};
  const IssuerState third{IssuerId::random(), fleet.acme.id, EntityStatus::kSuspended, Fleet::key(4), Bytes{2}};
  auto& certificates = fleet.certificates;
  certificates[0].status = EntityStatus::kSuspended;
  certificates[1].issuer_id = second.id;
  certificates[2].issuer_id = third.id;
  certificates[3].not_after = UtcTime{std::chrono::seconds{fmt::kNoEnd}};
  certificates[4].not_after = UtcTime{std::chrono::seconds{fmt::kNoEnd - 1}};
  certificates[5].not_after = UtcTime{};
  auto entities = fleet.entities();
  entities.insert(entities.end(), {second, third});
  const auto base = written(entities);

  for (const CertificateState& certificate : certificates) {
    const auto found = base->find_certificate(certificate.id);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->status, certificate.status);
    EXPECT_EQ(found->issuer_id, certificate.issuer_id);
    EXPECT_EQ(found->not_after, certificate.not_after);
    EXPECT_EQ(found->device_id, certificate.device_id);
    EXPECT_EQ(found->tenant_id, certificate.tenant_id);
  }
}

// CRC-32C of "123456789" is E3069283 (RFC 3720 §B.4 names the polynomial; the check value is its usual one).
TEST(NameHash, IsTheLowestOctetOfTheNamesChecksum) { EXPECT_EQ(name_hash("123456789"), 0x83); }

// Also after it was written anew from itself, and for one that a delta had renamed by its whole name.
TEST_F(BaseFileOf, TellsTheNameOfADeviceFromNearlyAllOthers) {
  const Fleet fleet{600};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(1), fleet.entities()).ok());
  ASSERT_TRUE(edge.write_delta(at(1), at(2), std::vector<IdentityChange>{fleet.devices[7]}).ok());
  ASSERT_TRUE(edge.compact().ok());
  const auto view = reader()->refresh().value()->view;
  ASSERT_EQ(view->position(), at(2));
  std::size_t mistaken = 0;
  for (std::size_t i = 0; i < fleet.devices.size(); ++i) {
    const auto device = view->find_device(fleet.devices[i].id);
    ASSERT_TRUE(device);
    EXPECT_TRUE(device->name.empty());
    EXPECT_TRUE(device->may_be_called(fleet.devices[i].name)) << i;
    for (const DeviceState& other : fleet.devices) {
      if (other.name != fleet.devices[i].name && device->may_be_called(other.name)) ++mistaken;
    }
  }
  EXPECT_LT(mistaken, 600 * 600 / 128U);
}

TEST_F(BaseFileOf, HoldsWhatManyDevicesHaveInCommonOnce) {
  Fleet fleet{3000};
  for (DeviceState& device : fleet.devices) device.labels = {{"site", std::string(1000, 'x')}};
  auto entities = fleet.entities();
  for (int i = 0; i < 1000; ++i) {
    PolicyState copy = fleet.policy;
    copy.id = PolicyId::random();
    copy.rules.assign(20, {PolicyAction::kPublish, "${tenant}/${device}/a-rather-long-level/#"});
    entities.emplace_back(copy);
  }
  written(entities);
  // 38 octets for a device with its certificate, 28 for a policy.
  EXPECT_LT(content_of(path()).size(), 3000 * 38 + 1000 * 28 + 10'000U);
}

TEST_F(BaseFileOf, LeavesOutWhatIsGone) {
  Fleet fleet{1000};
  const auto all = content_of((written(fleet.entities()), path())).size();
  for (std::size_t i = 100; i < 1000; ++i) {
    fleet.certificates[i].status = EntityStatus::kGone;
    fleet.devices[i].status = EntityStatus::kGone;
  }
  fleet.beta.status = EntityStatus::kGone;
  const auto base = written(fleet.entities());

  EXPECT_LT(content_of(path()).size(), all / 4);
  EXPECT_TRUE(base->find_certificate(fleet.certificates[99].id));
  EXPECT_FALSE(base->find_certificate(fleet.certificates[100].id));
  EXPECT_FALSE(base->find_device(fleet.devices[100].id));
  EXPECT_FALSE(base->find_tenant_by_name("beta"));
  EXPECT_FALSE(base->find_tenant(fleet.beta.id));
}

TEST_F(BaseFileOf, TakesTheLastOfSeveralStates) {
  Fleet fleet{2};
  auto entities = fleet.entities();
  DeviceState suspended = fleet.devices[0];
  suspended.status = EntityStatus::kSuspended;
  CertificateState revoked = fleet.certificates[1];
  revoked.status = EntityStatus::kGone;
  entities.insert(entities.end(), {suspended, revoked});
  const auto base = written(entities);

  EXPECT_EQ(base->find_device(suspended.id)->facts.status, EntityStatus::kSuspended);
  EXPECT_FALSE(base->find_certificate(revoked.id));
}

// Its device may come with a delta: an edge that is told of both must not depend on the order.
TEST_F(BaseFileOf, KeepsACertificateWhoseDeviceComesLater) {
  const Fleet fleet{1};
  auto edge = writer();
  const std::vector<IdentityChange> without{fleet.acme, fleet.acme_issuer, fleet.policy, fleet.certificates[0]};
  ASSERT_TRUE(edge.write_base(at(1), without).ok());
  EXPECT_FALSE(edge.view()->find_device(fleet.devices[0].id));
  ASSERT_TRUE(edge.write_delta(at(1), at(2), std::vector<IdentityChange>{fleet.devices[0]}).ok());

  const auto view = reader()->refresh().value()->view;
  EXPECT_EQ(view->find_certificate(fleet.certificates[0].id)->device_id, fleet.devices[0].id);
  EXPECT_TRUE(view->find_device(fleet.devices[0].id));
}

TEST_F(BaseFileOf, DropsACertificateOfAnotherTenantThanItsDevicesOrIssuers) {
  Fleet fleet{3};
  fleet.certificates[0].tenant_id = fleet.beta.id;
  fleet.certificates[1].issuer_id = fleet.beta_issuer.id;
  const auto base = written(fleet.entities());

  EXPECT_FALSE(base->find_certificate(fleet.certificates[0].id));
  EXPECT_FALSE(base->find_certificate(fleet.certificates[1].id));
  EXPECT_TRUE(base->find_certificate(fleet.certificates[2].id));
}

// Whoever finds two names whose hashes begin alike, at 2^64 attempts, must neither get in by the other's certificate
// nor make a file that no broker opens.
TEST_F(BaseFileOf, BelievesNeitherOfTwoCertificatesThatItCannotTellApart) {
  Fleet fleet{3};
  fleet.certificates[1].id = fleet.certificates[0].id;
  fleet.certificates[1].id[31] ^= 1;
  const auto base = written(fleet.entities());

  EXPECT_FALSE(base->find_certificate(fleet.certificates[0].id));
  EXPECT_FALSE(base->find_certificate(fleet.certificates[1].id));
  EXPECT_TRUE(base->find_certificate(fleet.certificates[2].id));
}

TEST_F(BaseFileOf, IsRefusedWhenAnySectionIsCutOrChanged) {
  const Fleet fleet{2000};
  written(fleet.entities());
  const Bytes sound = content_of(path());
  fmt::Header header{};
  std::memcpy(&header, sound.data(), sizeof header);
  std::map<std::size_t, std::string> places;  // what must not be changed, and before what the file must not end
  for (std::uint32_t i = 0; i < header.section_count; ++i) {
    fmt::Section section{};
    std::memcpy(&section, sound.data() + sizeof header + i * sizeof section, sizeof section);
    const std::uint64_t size = section.count * section.entry_size;
    for (const std::uint64_t within : {std::uint64_t{0}, size / 2, size - 1}) {
      places[section.offset + within] = "section " + std::to_string(static_cast<int>(section.kind));
    }
  }
  ASSERT_GE(places.size(), 30U);

  const auto folder = reader();
  ASSERT_TRUE(folder->refresh().ok());
  for (const auto& [place, name] : places) {
    Bytes flipped = sound;
    flipped[place] ^= 0x40;
    replace(path(), flipped);
    EXPECT_EQ(refusal(*folder), "snapshot.corrupt") << name;
    replace(path(), Bytes{sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(place)});
    EXPECT_EQ(refusal(*folder), "snapshot.corrupt") << name;
    EXPECT_EQ(refusal(*reader()), "snapshot.corrupt") << name << ", after a restart";
  }
  replace(path(), sound);
  EXPECT_EQ(refusal(*folder), "");
}

TEST_F(BaseFileOf, IsNotNeededForTheDeltasThatFollowTheLastGoodOne) {
  const Fleet fleet{2};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(1), fleet.entities()).ok());
  const auto folder = reader();
  ASSERT_TRUE(folder->refresh().ok());
  const Bytes sound = content_of(path());
  Bytes torn = sound;
  torn.resize(torn.size() / 2);
  replace(path(), torn);
  CertificateState revoked = fleet.certificates[0];
  revoked.status = EntityStatus::kGone;
  ASSERT_TRUE(edge.write_delta(at(1), at(2), std::vector<IdentityChange>{revoked}).ok());

  const auto update = folder->refresh().value();
  ASSERT_TRUE(update);
  EXPECT_EQ(update->view->find_certificate(revoked.id)->status, EntityStatus::kGone);
  EXPECT_FALSE(update->everything);
  ASSERT_TRUE(update->refused);
  EXPECT_EQ(update->refused->reason, "snapshot.corrupt");
  EXPECT_EQ(refusal(*folder), "snapshot.corrupt") << "it is still broken";

  ASSERT_TRUE(edge.compact().ok());
  EXPECT_EQ(refusal(*folder), "");
  EXPECT_FALSE(folder->refresh().value());
}

// Two brokers of a host hold one copy in memory between them.
TEST_F(BaseFileOf, IsMappedReadOnlyAndShared) {
  const auto base = written(Fleet{100}.entities());
  std::ifstream maps{"/proc/self/maps"};
  std::string line;
  bool found = false;
  while (std::getline(maps, line)) {
    if (line.find(path()) == std::string::npos) continue;
    found = true;
    EXPECT_NE(line.find(" r--s "), std::string::npos) << line;
  }
  EXPECT_TRUE(found);
}

// The plugin's thread asks while its watcher swaps: every answer is of one state or the next, and none is missing.
TEST_F(BaseFileOf, IsAskedByManyThreadsWhileItIsReplaced) {
  Fleet fleet{600};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(0), fleet.entities()).ok());
  const auto folder = reader();
  std::atomic<std::shared_ptr<const IdentityView>> current{folder->refresh().value()->view};
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> asked{0};
  std::atomic<std::uint64_t> missed{0};
  std::vector<std::jthread> readers;
  for (int r = 0; r < 4; ++r) {
    readers.emplace_back([&] {
      while (!stop) {
        const auto view = current.load();
        for (std::size_t i = 0; i < fleet.devices.size(); ++i) {
          const auto device = view->find_device(fleet.devices[i].id);
          const auto certificate = view->find_certificate(fleet.certificates[i].id);
          const PolicySubject subject{"acme", "d", {}, {}};
          const bool decided = device && certificate && certificate->device_id == fleet.devices[i].id &&
                               device->policy->allows_publish(subject, "acme/d/telemetry/x");
          ++(decided ? asked : missed);
        }
      }
    });
  }
  for (std::uint64_t n = 1; n <= 60; ++n) {
    const std::vector<IdentityChange> change{fleet.devices[n], fleet.policy, fleet.certificates[n]};
    ASSERT_TRUE(edge.write_delta(at(n - 1), at(n), change).ok());
    if (n % 20 == 0) {
      ASSERT_TRUE(edge.compact().ok());
    }
    if (const auto update = folder->refresh().value()) current.store(update->view);
  }
  while (asked < 10'000) std::this_thread::yield();
  stop = true;
  readers.clear();

  EXPECT_EQ(current.load()->position(), at(60));
  EXPECT_EQ(missed.load(), 0U);
}

// A base that is being written does not hold up what comes meanwhile, nor undo it.
TEST_F(BaseFileOf, TakesDeltasWhileItIsCompacted) {
  Fleet fleet{3000};
  auto edge = SnapshotFolderWriter::open({.folder = folder_, .max_deltas = 4}).value();
  ASSERT_TRUE(edge.write_base(at(0), fleet.entities()).ok());
  const auto folder = reader();
  ASSERT_TRUE(folder->refresh().ok());
  std::uint64_t n = 0;
  const auto revoke_next = [&] {
    CertificateState revoked = fleet.certificates[++n];
    revoked.status = EntityStatus::kGone;
    ASSERT_TRUE(edge.write_delta(at(n - 1), at(n), std::vector<IdentityChange>{revoked}).ok());
  };
  for (int i = 0; i < 5; ++i) revoke_next();
  ASSERT_TRUE(edge.wants_compaction());
  ASSERT_TRUE(edge.compact_aside().ok());
  ASSERT_TRUE(edge.is_compacting());
  revoke_next();
  revoke_next();
  while (edge.is_compacting()) ASSERT_TRUE(edge.compact_aside().ok());
  revoke_next();

  EXPECT_FALSE(edge.wants_compaction());
  EXPECT_EQ(list_deltas(folder_), (std::vector<std::uint64_t>{6, 7, 8}));
  const std::vector<std::shared_ptr<const IdentityView>> views{folder->refresh().value()->view, edge.view(),
                                                               writer().view()};
  for (const auto& view : views) {
    EXPECT_EQ(view->position(), at(8));
    for (std::size_t i = 1; i < 20; ++i) {
      const auto certificate = view->find_certificate(fleet.certificates[i].id);
      EXPECT_EQ(certificate && certificate->status == EntityStatus::kActive, i > 8) << i;
    }
  }
}

TEST_F(BaseFileOf, IsNotReplacedByACompactionThatBeganBefore) {
  const Fleet fleet{3000};
  auto edge = SnapshotFolderWriter::open({.folder = folder_, .max_deltas = 0}).value();
  ASSERT_TRUE(edge.write_base(at(0), fleet.entities()).ok());
  ASSERT_TRUE(edge.write_delta(at(0), at(1), {}).ok());
  ASSERT_TRUE(edge.compact_aside().ok());
  ASSERT_TRUE(edge.write_base(at(9), fleet.entities()).ok());
  EXPECT_FALSE(edge.is_compacting());
  EXPECT_EQ(BaseFile::open(path(), geteuid()).value()->position(), at(9));
}

TEST_F(BaseFileOf, ForgetsWhatHasExpiredAndWhatAKilledWriterLeft) {
  Fleet fleet{3};
  fleet.certificates[1].not_after = UtcTime{std::chrono::seconds{1'000}};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(1), fleet.entities()).ok());
  std::vector<CertificateState> expired;
  edge.view()->for_each_certificate_until(UtcTime{std::chrono::seconds{2'000}},
                                          [&](const CertificateState& c) { expired.push_back(c); });
  ASSERT_EQ(expired.size(), 1U);
  edge.forget(std::move(expired));
  ASSERT_TRUE(edge.compact().ok());
  EXPECT_FALSE(edge.view()->find_certificate(fleet.certificates[1].id));
  EXPECT_TRUE(edge.view()->find_certificate(fleet.certificates[0].id));

  replace(path() + ".tmp.0123", Bytes{1});
  writer();
  EXPECT_NE(access((path() + ".tmp.0123").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace muster::edge
