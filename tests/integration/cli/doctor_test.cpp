// SPDX-License-Identifier: Apache-2.0
//
// `muster doctor` on a folder in which nothing runs: what it says of the snapshot, by the edge's file and by the
// broker's page, in each state that these can be in.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/deployment_folder.h"
#include "cli/ports_json.h"
#include "core/crc32c.h"
#include "core/file.h"
#include "core/metrics.h"
#include "edge/base_format.h"
#include "edge/snapshot_folder_writer.h"
#include "edge/snapshot_loader.h"
#include "support/free_port.h"
#include "support/temp_folder.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class Doctor : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"run", "edge", "edge/snapshot", "wal", "pki"}) {
      fs::create_directories(folder_ / name);
      ::chmod((folder_ / name).c_str(), 0755);
    }
    json ports;
    for (const auto& [name, member] : kPortNames) ports[name] = test_support::free_port();
    write(paths_.ports_file(), ports.dump());
  }

  static void write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(write_file_durably(path, as_bytes(text), 0644).ok());
  }
  // The snapshot of a deployment without tenants, at change 7.
  void write_snapshot() {
    auto writer = edge::SnapshotFolderWriter::open({.folder = paths_.snapshot()}).value();
    ASSERT_TRUE(writer.write_base({random_raw_id(), 7}, {}).ok());
  }
  template <typename Change>
  void change_snapshot(const Change& change) {
    Bytes file = read_file(base_, 1U << 20).value();
    change(file);
    ASSERT_TRUE(write_file_durably(base_, file, 0644).ok());
  }
  // As a broker of a later version would have it.
  static void ask_for_a_newer_reader(Bytes& file) {
    namespace fmt = edge::base_format;
    fmt::Header header{};
    std::memcpy(&header, file.data(), sizeof header);
    header.minimum_reader_version += 1;
    header.header_crc = 0;
    std::memcpy(file.data(), &header, sizeof header);
    header.header_crc = crc32c(BytesView{file}.first(sizeof header + header.section_count * sizeof(fmt::Section)));
    std::memcpy(file.data(), &header, sizeof header);
  }
  // The broker's page of metrics, as the plugin writes it.
  void write_page(double failed) {
    MetricsRegistry metrics;
    metrics.gauge("muster_broker_snapshot_number", "Number of the identity snapshot in force.").set(7);
    metrics.gauge("muster_broker_snapshot_failed", "1 while the last refresh failed.").set(failed);
    write(paths_.plugin_metrics(), metrics.render());
  }

  // "status: detail" of the line called `check`.
  std::string line(const std::string& check) {
    std::string folder = paths_.root();
    std::vector<std::string> words{"muster", "doctor", "--json", "--folder", folder};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    testing::internal::CaptureStdout();
    status_ = run_command_line(static_cast<int>(arguments.size()), arguments.data(), declare_doctor);
    const json answer = json::parse(testing::internal::GetCapturedStdout(), nullptr, false);
    for (const json& one : answer.value("checks", json::array())) {
      if (one["check"] == check) return one["status"].get<std::string>() + ": " + one["detail"].get<std::string>();
    }
    return "no such line";
  }
  static bool says(const std::string& line, const std::string& status, const std::string& words) {
    return line.starts_with(status + ": ") && line.find(words) != std::string::npos;
  }

  test_support::TempFolder folder_;
  const FolderPaths paths_{folder_.path().string()};
  const std::string base_ = edge::base_path(paths_.snapshot());
  int status_ = -1;
};

TEST_F(Doctor, SaysWhereASoundSnapshotStands) {
  write_snapshot();
  EXPECT_EQ(line("snapshot file"), "ok: sound, at change 7");
  EXPECT_EQ(status_, 2) << "nothing else runs here";
}

TEST_F(Doctor, SaysThatThereIsNoSnapshot) {
  EXPECT_TRUE(line("snapshot file").starts_with("critical: ")) << line("snapshot file");
}

TEST_F(Doctor, SaysWhatABrokerWouldRefuseInTheSnapshot) {
  struct Case {
    const char* name;
    std::function<void()> break_it;
  };
  const Case cases[] = {
      {"a bit is turned", [&] { change_snapshot([](Bytes& file) { file[file.size() / 2] ^= 1; }); }},
      {"it is cut short", [&] { change_snapshot([](Bytes& file) { file.resize(file.size() - 1); }); }},
      {"it is empty", [&] { change_snapshot([](Bytes& file) { file.clear(); }); }},
      {"it is of a later version", [&] { change_snapshot(ask_for_a_newer_reader); }},
      {"others may write it", [&] { ::chmod(base_.c_str(), 0666); }},
  };
  for (const Case& c : cases) {
    write_snapshot();
    ASSERT_EQ(line("snapshot file"), "ok: sound, at change 7") << c.name;
    c.break_it();
    const std::string said = line("snapshot file");
    EXPECT_TRUE(said.starts_with("critical: ") && said.size() > std::strlen("critical: ")) << c.name << ": " << said;
    EXPECT_EQ(status_, 2);
    fs::remove(base_);
  }
}

TEST_F(Doctor, SaysWhichChangeTheBrokerHas) {
  write_page(0);
  EXPECT_EQ(line("broker's snapshot"), "ok: change 7 is in force");
}

TEST_F(Doctor, SaysThatTheBrokerRefusesWhatItWasGiven) {
  write_page(1);
  const std::string said = line("broker's snapshot");
  EXPECT_TRUE(says(said, "critical", "change 7 is in force; the broker refuses what came after it")) << said;
}

TEST_F(Doctor, TakesNoWordOfABrokerThatSaysNothing) {
  EXPECT_TRUE(line("broker's snapshot").starts_with("critical: ")) << "there is no page";
  write(paths_.plugin_metrics(), "# HELP other x\nother 1\n");
  EXPECT_TRUE(says(line("broker's snapshot"), "critical", "says nothing of it")) << line("broker's snapshot");
  write_page(0);
  fs::last_write_time(paths_.plugin_metrics(), fs::last_write_time(paths_.plugin_metrics()) - std::chrono::minutes(5));
  EXPECT_TRUE(says(line("broker's snapshot"), "critical", "has said nothing for ")) << line("broker's snapshot");
}

}  // namespace
}  // namespace muster::cli
