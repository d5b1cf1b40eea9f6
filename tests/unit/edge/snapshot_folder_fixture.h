// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "edge/snapshot_folder_writer.h"
#include "unit/edge/edge_fixture.h"

namespace muster::edge {

// One snapshot folder and the state file of one reader.
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

}  // namespace muster::edge
