// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/deployment_folder.h"
#include "cli/host_readings.h"
#include "cli/output.h"
#include "cli/program_signals.h"
#include "cli/simulated_device.h"
#include "core/log.h"

namespace muster::cli {
namespace {

struct SimulateOptions {
  ServerOptions server;
  std::string tenant;
  std::string prefix = "sim-";
  std::string keys_folder;
  std::string mqtt;
  std::string server_name = "localhost";
  long count = 10;
  long interval_seconds = 5;
};

// Waits for `span` or until the stop; true when it goes on.
bool pause(std::stop_token stop, std::chrono::milliseconds span) {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  woken.wait_for(lock, stop, span, [] { return false; });
  return !stop.stop_requested();
}

// One connection's life: publishes a reading each interval until the broker or the stop ends it.
Result<void> report(const MqttConfig& config, HostReadings& readings, std::chrono::seconds interval,
                    std::stop_token stop) {
  MUSTER_TRY(MqttClient client, MqttClient::connect(config));
  Log("devices").info("device connected", {{"device", config.client_id}});
  const std::string topic = config.client_id + "/telemetry/host";
  while (!stop.stop_requested()) {
    MUSTER_TRY_VOID(client.publish(topic, readings.read()));
    const auto next = std::chrono::steady_clock::now() + interval;
    while (!stop.stop_requested() && std::chrono::steady_clock::now() < next) {
      MUSTER_TRY(const auto command, client.receive(std::chrono::milliseconds(200)));
      if (command) Log("devices").info("command received", {{"device", config.client_id}, {"topic", command->topic}});
    }
  }
  client.disconnect();
  return {};
}

void live(const MqttConfig& config, std::chrono::seconds interval, std::stop_token stop) {
  HostReadings readings("/");
  std::chrono::milliseconds delay{200};
  while (!stop.stop_requested()) {
    const auto started = std::chrono::steady_clock::now();
    const auto outcome = report(config, readings, interval, stop);
    if (outcome.ok()) return;
    if (std::chrono::steady_clock::now() - started > std::chrono::seconds(10)) delay = std::chrono::milliseconds(200);
    Log("devices").info(
        "device is not connected",
        {{"device", config.client_id}, {"reason", outcome.error().reason}, {"detail", outcome.error().detail}});
    if (!pause(stop, delay)) return;
    delay = std::min(delay * 2, std::chrono::milliseconds(10'000));
  }
}

Result<BrokerAddress> broker_address(const SimulateOptions& options) {
  const FolderPaths paths(options.server.folder);
  BrokerAddress broker;
  broker.server_name = options.server_name;
  broker.ca_file = options.server.ca_file.empty() ? paths.infrastructure_root() : options.server.ca_file;
  if (options.mqtt.empty()) {
    MUSTER_TRY(const Ports ports, read_ports(paths));
    broker.port = ports.mqtt;
    return broker;
  }
  MUSTER_TRY(const HostPort address, parse_host_port("--mqtt", options.mqtt));
  broker.host = address.host;
  broker.port = address.port;
  return broker;
}

Result<std::vector<SimulatedDevice>> provision_all(const SimulateOptions& options) {
  MUSTER_TRY(ApiSession api, ApiSession::open(options.server));
  const std::string folder =
      options.keys_folder.empty() ? FolderPaths(options.server.folder).at("devices") : options.keys_folder;
  std::vector<SimulatedDevice> devices;
  for (long i = 1; i <= options.count; ++i) {
    char number[24];
    std::snprintf(number, sizeof number, "%02ld", i);
    MUSTER_TRY(SimulatedDevice device, provision_once(api, folder, options.tenant, options.prefix + number));
    devices.push_back(std::move(device));
  }
  return devices;
}

int simulate(const SimulateOptions& options) {
  const ProgramSignals signals;
  const auto broker = broker_address(options);
  if (!broker.ok()) return complain(broker.error());
  const auto devices = provision_all(options);
  if (!devices.ok()) return complain(devices.error());
  Log("devices").info("devices provisioned", {{"tenant", options.tenant}, {"count", options.count}});

  std::vector<std::jthread> threads;
  for (const SimulatedDevice& device : *devices) {
    threads.emplace_back([config = mqtt_config(*broker, device), interval = options.interval_seconds](
                             std::stop_token stop) { live(config, std::chrono::seconds(interval), stop); });
  }
  signals.wait();
  for (std::jthread& thread : threads) thread.request_stop();
  return 0;
}

}  // namespace

void declare_simulate(Command& root) {
  auto options = std::make_shared<SimulateOptions>();
  Command command =
      root.add_command("simulate", "run devices that report this host's real readings, each with its own key");
  command.required("--tenant", options->tenant, "tenant of the devices");
  command.option("--count", options->count, "how many devices")
      .option("--prefix", options->prefix, "first part of their names")
      .option("--interval-seconds", options->interval_seconds, "between two readings of a device")
      .option("--keys-folder", options->keys_folder,
              "where the devices keep key and certificate; default: FOLDER/devices")
      .option("--mqtt", options->mqtt, "address:port of the broker; default: that of the folder")
      .option("--mqtt-server-name", options->server_name, "name in the broker's certificate");
  add_server_options(command, options->server);
  command.run([options] { return simulate(*options); });
}

}  // namespace muster::cli
