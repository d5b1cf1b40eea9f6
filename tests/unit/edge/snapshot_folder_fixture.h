// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "edge/folder_files.h"
#include "edge/snapshot_folder_writer.h"
#include "unit/edge/edge_fixture.h"

namespace muster::edge {

// One snapshot folder and the state file of one reader.
class SnapshotFolderTest : public ::testing::Test {
 protected:
  SnapshotFolderTest() : folder_(temp_.make_folder("snapshot")), state_folder_(temp_.make_folder("state")) {}

  SnapshotFolderWriter writer() { return SnapshotFolderWriter::open({.folder = folder_}).value(); }
  std::unique_ptr<SnapshotFolder> reader() {
    SnapshotFolderConfig config;
    config.folder = folder_;
    config.state_file = state_folder_ + "/held";
    config.edge_id = edge_id_;
    config.is_signed = [](BytesView message, BytesView signature) {
      return std::ranges::equal(signature, sign(message));
    };
    return SnapshotFolder::create(std::move(config)).value();
  }
  // A stand-in for the server's signature, which here is all that is known of the message.
  static HeartbeatSignature sign(BytesView message) {
    HeartbeatSignature signature{};
    std::ranges::copy(message.last(std::min(message.size(), signature.size())), signature.begin());
    return signature;
  }
  HeartbeatSignature signature_of(std::uint64_t number, UtcTime issued_at) const {
    return sign(heartbeat_message(edge_id_, at(number), issued_at));
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
  const EdgeId edge_id_ = EdgeId::random();
};

}  // namespace muster::edge
