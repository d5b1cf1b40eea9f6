// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace muster::cli {

// HostReadings reads what this machine reports about itself: processors, memory, the disk of a folder, network
// interfaces, temperatures where there are sensors. Rates are since the last call. Confined to one thread.
class HostReadings {
 public:
  explicit HostReadings(std::string disk_folder) : disk_folder_(std::move(disk_folder)) {}
  // One JSON object: {"time":…,"cpu":{"busy_percent":…,"load_1m":…},"memory":{…},"disk":{…},"network":{…},
  // "temperatures":[{"sensor","celsius"}]}. What the machine does not report is absent.
  std::string read();

 private:
  struct Processor {
    std::uint64_t busy = 0;
    std::uint64_t total = 0;
  };
  struct Traffic {
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
  };
  static std::optional<Processor> read_processor();
  static Traffic read_traffic();
  std::string disk_folder_;
  std::optional<Processor> last_processor_;
  std::optional<Traffic> last_traffic_;
  double last_seconds_ = 0;
};

}  // namespace muster::cli
