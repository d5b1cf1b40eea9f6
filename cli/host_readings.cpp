// SPDX-License-Identifier: Apache-2.0
#include "cli/host_readings.h"

#include <sys/statvfs.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/clock.h"
#include "core/time.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

double rounded(double value) { return std::round(value * 100) / 100; }

ordered_json read_memory() {
  std::ifstream file("/proc/meminfo");
  double total = 0;
  double available = 0;
  std::string name;
  for (double kib = 0; file >> name >> kib; file.ignore(64, '\n')) {
    if (name == "MemTotal:") total = kib;
    if (name == "MemAvailable:") available = kib;
  }
  ordered_json out = ordered_json::object();
  if (total <= 0) return out;
  out["total_bytes"] = static_cast<std::uint64_t>(total * 1024);
  out["used_bytes"] = static_cast<std::uint64_t>((total - available) * 1024);
  out["used_percent"] = rounded(100 * (total - available) / total);
  return out;
}

ordered_json read_disk(const std::string& folder) {
  struct statvfs found {};
  ordered_json out = ordered_json::object();
  if (statvfs(folder.c_str(), &found) != 0 || found.f_blocks == 0) return out;
  const std::uint64_t total = static_cast<std::uint64_t>(found.f_blocks) * found.f_frsize;
  const std::uint64_t free = static_cast<std::uint64_t>(found.f_bavail) * found.f_frsize;
  out["total_bytes"] = total;
  out["free_bytes"] = free;
  out["used_percent"] = rounded(100.0 * static_cast<double>(total - free) / static_cast<double>(total));
  return out;
}

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

void add_temperature(ordered_json& out, const std::string& sensor, const fs::path& path) {
  const std::string text = first_line(path);
  if (text.empty()) return;
  const double celsius = std::atof(text.c_str()) / 1000;  // both kernels' interfaces count thousandths
  if (celsius > -100 && celsius < 250) out.push_back({{"sensor", sensor}, {"celsius", rounded(celsius)}});
}

ordered_json read_temperatures() {
  ordered_json out = ordered_json::array();
  std::error_code fault;
  for (const auto& zone : fs::directory_iterator("/sys/class/thermal", fault)) {
    if (zone.path().filename().string().starts_with("thermal_zone")) {
      add_temperature(out, first_line(zone.path() / "type"), zone.path() / "temp");
    }
  }
  for (const auto& chip : fs::directory_iterator("/sys/class/hwmon", fault)) {
    add_temperature(out, first_line(chip.path() / "name"), chip.path() / "temp1_input");
  }
  return out;
}

double load_average() {
  std::ifstream file("/proc/loadavg");
  double load = 0;
  file >> load;
  return load;
}

}  // namespace

std::optional<HostReadings::Processor> HostReadings::read_processor() {
  std::ifstream file("/proc/stat");
  std::string name;
  std::array<std::uint64_t, 8> ticks{};  // user nice system idle iowait irq softirq steal: proc(5)
  file >> name;
  for (std::uint64_t& value : ticks) file >> value;
  if (!file || name != "cpu") return std::nullopt;
  Processor out;
  for (const std::uint64_t value : ticks) out.total += value;
  out.busy = out.total - ticks[3] - ticks[4];
  return out;
}

HostReadings::Traffic HostReadings::read_traffic() {
  std::ifstream file("/proc/net/dev");
  Traffic out;
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || line.find("lo:") != std::string::npos) continue;
    std::istringstream columns(line.substr(colon + 1));
    std::array<std::uint64_t, 9> values{};  // bytes received come first, bytes sent ninth
    for (std::uint64_t& value : values) columns >> value;
    out.received += values[0];
    out.sent += values[8];
  }
  return out;
}

std::string HostReadings::read() {
  const double seconds = std::chrono::duration<double>(boottime_now()).count();
  const std::optional<Processor> processor = read_processor();
  const Traffic traffic = read_traffic();

  ordered_json out;
  out["time"] = to_rfc3339(SystemClock().now());
  out["cpu"] = {{"load_1m", load_average()}};
  if (processor && last_processor_ && processor->total > last_processor_->total) {
    out["cpu"]["busy_percent"] = rounded(100.0 * static_cast<double>(processor->busy - last_processor_->busy) /
                                         static_cast<double>(processor->total - last_processor_->total));
  }
  out["memory"] = read_memory();
  out["disk"] = read_disk(disk_folder_);
  out["network"] = {{"received_bytes", traffic.received}, {"sent_bytes", traffic.sent}};
  if (last_traffic_ && seconds > last_seconds_) {
    const double span = seconds - last_seconds_;
    out["network"]["received_bytes_per_second"] =
        rounded(static_cast<double>(traffic.received - last_traffic_->received) / span);
    out["network"]["sent_bytes_per_second"] = rounded(static_cast<double>(traffic.sent - last_traffic_->sent) / span);
  }
  if (ordered_json temperatures = read_temperatures(); !temperatures.empty()) out["temperatures"] = temperatures;

  last_processor_ = processor;
  last_traffic_ = traffic;
  last_seconds_ = seconds;
  return out.dump();
}

}  // namespace muster::cli
