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
    EXPECT_TRUE(device->name.empty()) << "its certificate proves it, but for eight bits";
    EXPECT_EQ(device->labels.at(0).second, std::to_string(i));
    EXPECT_EQ(device->groups.at(0), "line-1");
    const PolicySubject subject{"acme", fleet.devices[i].name, device->groups, device->labels};
    EXPECT_TRUE(device->policy->allows_publish(subject, "acme/" + fleet.devices[i].name + "/telemetry/x"));
    EXPECT_FALSE(device->policy->allows_publish(subject, "acme/" + fleet.devices[i].name + "/events/x"));
  }
  EXPECT_EQ(view->find_tenant_by_name("beta")->id, fleet.beta.id);
  EXPECT_FALSE(view->find_tenant_by_name("gamma"));
  ASSERT_EQ(view->find_issuers_by_key(Fleet::key(2)).size(), 1U);
  EXPECT_EQ(view->find_issuers_by_key(Fleet::key(2))[0].certificate.size(), 2U);
  EXPECT_EQ(view->issuers().size(), 2U);
}

// A base holds 128 bits of it, a delta all.
TEST_F(SnapshotFolderTest, DependsOnEveryBitOfACertificatesHashThatItHolds) {
  const Fleet fleet{3};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(1), fleet.entities()).ok());
  ASSERT_TRUE(edge.write_delta(at(1), at(2), std::vector<IdentityChange>{fleet.certificates[2]}).ok());
  const auto view = reader()->refresh().value()->view;

  for (std::size_t octet = 0; octet < 32; ++octet) {
    Sha256 near = fleet.certificates[1].id;
    near[octet] ^= 1;
    EXPECT_EQ(view->find_certificate(near).has_value(), octet >= 16) << octet;
    near = fleet.certificates[2].id;
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

// What the program of one version says to a file of another, whichever is the older.
TEST_F(SnapshotFolderTest, RefusesAFileOfAnotherFormatAndSaysWhatToDo) {
  namespace fmt = base_format;
  const Fleet fleet{1};
  auto edge = writer();
  ASSERT_TRUE(edge.write_base(at(1), fleet.entities()).ok());
  const std::string path = folder_ + "/base.snapshot";
  const auto folder = reader();
  ASSERT_TRUE(folder->refresh().ok());
  const auto refused = [&](auto change) {
    Bytes file = content_of(path);
    fmt::Header header{};
    std::memcpy(&header, file.data(), sizeof header);
    change(header);
    header.header_crc = 0;
    std::memcpy(file.data(), &header, sizeof header);
    const std::size_t head = sizeof header + header.section_count * sizeof(fmt::Section);
    header.header_crc = crc32c(BytesView{file}.first(head));
    std::memcpy(file.data(), &header, sizeof header);
    replace(path, file);
    const auto refreshed = folder->refresh();
    EXPECT_EQ(refreshed.error().reason, "snapshot.version_unsupported");
    return refreshed.error().detail;
  };

  const std::string newer = refused([](fmt::Header& h) { h.version = h.minimum_reader_version = fmt::kVersion + 1; });
  EXPECT_NE(newer.find("version 4, this program reads version 3: update this program"), std::string::npos) << newer;
  const std::string older = refused([](fmt::Header& h) { h.version = h.minimum_reader_version = 2; });
  EXPECT_NE(older.find("version 2, this program reads version 3: update and restart muster edge"), std::string::npos);
  const std::string other = refused([](fmt::Header& h) {
    h.version = h.minimum_reader_version = fmt::kVersion;
    h.features = 1;
  });
  EXPECT_NE(other.find("features that this program does not know"), std::string::npos) << other;

  EXPECT_FALSE(reader()->refresh().ok()) << "nothing is held from before a restart";
  ASSERT_TRUE(edge.write_base(at(2), fleet.entities()).ok());
  EXPECT_EQ(folder->refresh().value()->view->position(), at(2)) << "the edge has been updated";
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

}  // namespace
}  // namespace muster::edge
