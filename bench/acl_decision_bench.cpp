// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what one topic decision costs: core's Policy alone, and all that the plugin does in answer to the broker's
// question: session, standing in the registry's newest state, clock, policy, counters, rate limit of denials. Prints
// one JSON line per case: median nanoseconds of a decision over batches, and allocations per decision.
//
//   acl_decision_bench [SECONDS PER CASE]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "auth-plugin/coarse_clock.h"
#include "auth-plugin/topic_gate.h"
#include "bench/allocation_count.h"
#include "core/policy.h"
#include "edge/base_file_writer.h"
#include "edge/snapshot_loader.h"

namespace muster::bench {
namespace {

using auth_plugin::ClientView;
using auth_plugin::MessageView;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kDevices = 1000;
constexpr std::size_t kBatch = 1000;
constexpr std::size_t kBrokerContextSize = 1000;  // octets, about

const UtcTime kNow = std::chrono::time_point_cast<UtcTime::duration>(std::chrono::system_clock::now());

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

// NoWal takes records and forgets them: denials are rare by their rate limit, and publishes are not decisions.
class NoWal final : public edge::WalWriter {
 public:
  IncarnationId incarnation() const override { return {}; }
  Result<std::uint64_t> append(RecordView) override { return ++appended_; }
  bool has_room_for_qos0() const override { return true; }
  edge::WalStatistics statistics() const override { return {}; }

 private:
  std::uint64_t appended_ = 0;
};

// The broker's client object with the strings that it points at, each allocated on its own as the broker does.
struct BrokerClient {
  explicit BrokerClient(std::string_view principal) : id(principal), username(principal) {}
  std::unique_ptr<char[]> context = std::make_unique<char[]>(kBrokerContextSize);
  std::string id;
  std::string username;
  ClientView view() const { return {context.get(), id, username, true, true}; }
};

struct Device {
  edge::DeviceState state;
  edge::CertificateState certificate;
  std::string principal;
  std::string own_topic;      // allowed to publish
  std::string foreign_topic;  // another device's
  std::string command;        // allowed to receive
  std::unique_ptr<BrokerClient> client;
};

Sha256 random_hash() {
  Sha256 hash{};
  std::ranges::copy(TenantId::random().octets(), hash.begin());
  std::ranges::copy(TenantId::random().octets(), hash.begin() + 16);
  return hash;
}

// World: one tenant's devices, each connected, with the default policy.
class World {
 public:
  World() : folder_("/tmp/muster-acl-XXXXXX") {
    if (!mkdtemp(folder_.data())) fail("no temporary folder");
    issuer_.tenant_id = tenant_.id;
    issuer_.spki_sha256 = random_hash();
    for (std::size_t i = 0; i < kDevices; ++i) add_device(i);
    for (std::size_t i = 0; i < kDevices; ++i) {
      devices_[i].foreign_topic = devices_[(i + 1) % kDevices].own_topic;
    }
    publish_state();
    for (const Device& device : devices_) connect(device);
  }
  ~World() { std::filesystem::remove_all(folder_); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  auth_plugin::TopicGate& gate() { return gate_; }
  std::size_t lines() const { return lines_; }
  const Device& device(std::size_t i) const { return devices_[i]; }

 private:
  void add_device(std::size_t i) {
    Device device;
    device.state = {.id = DeviceId::random(),
                    .tenant_id = tenant_.id,
                    .name = "pump-" + std::to_string(10000 + i),
                    .policy_id = {},
                    .groups = {"line-3"},
                    .labels = {{"site", "north"}}};
    device.certificate = {random_hash(),
                          tenant_.id,
                          device.state.id,
                          issuer_.id,
                          edge::EntityStatus::kActive,
                          kNow + std::chrono::hours(24)};
    device.principal = tenant_.name + "/" + device.state.name;
    device.own_topic = device.principal + "/telemetry/line-3/temperature";
    device.command = device.principal + "/commands/restart";
    device.client = std::make_unique<BrokerClient>(device.principal);
    devices_.push_back(std::move(device));
  }

  void publish_state() {
    std::vector<edge::IdentityChange> entities = {tenant_, issuer_};
    for (const Device& device : devices_) {
      entities.emplace_back(device.state);
      entities.emplace_back(device.certificate);
    }
    const auto written = edge::write_base_file(edge::base_path(folder_), 0600, {RawId{}, 1}, entities);
    auto view = edge::load_base(folder_, 0);
    if (!written.ok() || !view.ok()) fail("the snapshot cannot be written or read");
    const auto state = std::make_shared<auth_plugin::IdentityState>();
    state->view = std::move(view).value();
    state->generation = 1;
    identity_.publish(state, {});
  }

  void connect(const Device& device) {
    auth_plugin::Session session;
    session.principal = device.principal;
    session.tenant_id = tenant_.id;
    session.device_id = device.state.id;
    session.connection.certificate_id = session.connection.credential_id = device.certificate.id;
    session.connection.anchor_key = issuer_.spki_sha256;
    session.connection.not_after = device.certificate.not_after;
    // As after the first turn of the broker's loop.
    sessions_.admit(device.client->context.get(), session)->queue_is_foreign = false;
  }

  std::string folder_;
  edge::TenantState tenant_{TenantId::random(), "acme-industries"};
  edge::IssuerState issuer_{.id = IssuerId::random(), .tenant_id = {}, .certificate = {}};
  std::vector<Device> devices_;
  NoWal wal_;
  SystemClock clock_;
  auth_plugin::CoarseClock coarse_clock_;
  auth_plugin::BrokerMetrics metrics_;
  std::size_t lines_ = 0;  // written to the log
  auth_plugin::Journal journal_{wal_, metrics_, clock_, [this](LogLevel, const std::string&) { ++lines_; }};
  auth_plugin::IdentityExchange identity_;
  auth_plugin::SessionTable sessions_{kDevices};
  auth_plugin::TopicGate gate_{{sessions_, identity_, metrics_, journal_, coarse_clock_, kDevices}};
};

// Runs `decide(i)` in batches and prints the median. `decide` returns whether the decision was the expected one.
// A denial may write its line to log and journal, fifty a second at most; such batches count in the time, but what the
// line allocates is not the decision's.
template <typename Decide>
void measure(const World& world, const char* name, double seconds, Decide decide) {
  for (std::size_t i = 0; i < kDevices; ++i) (void)decide(i);  // the state's first look at each session allocates
  std::vector<double> nanos;
  nanos.reserve(1 << 20);
  std::size_t wrong = 0;
  std::size_t allocated = 0;
  std::size_t decisions = 0;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end && nanos.size() < nanos.capacity()) {
    const std::size_t lines = world.lines();
    const std::size_t before = allocation_count();
    const auto start = Clock::now();
    for (std::size_t i = 0; i < kBatch; ++i) {
      wrong += decide(i % kDevices) ? 0 : 1;
    }
    const std::chrono::duration<double, std::nano> took = Clock::now() - start;
    if (world.lines() == lines) allocated += allocation_count() - before;
    decisions += kBatch;
    nanos.push_back(took.count() / static_cast<double>(kBatch));
  }
  if (wrong > 0) fail(std::string(name) + ": " + std::to_string(wrong) + " decisions were wrong");
  std::sort(nanos.begin(), nanos.end());
  std::printf("{\"case\":\"%s\",\"median_ns\":%.1f,\"p99_ns\":%.1f,\"allocations\":%.4f,\"decisions\":%zu}\n", name,
              nanos[nanos.size() / 2], nanos[nanos.size() * 99 / 100],
              static_cast<double>(allocated) / static_cast<double>(decisions), decisions);
}

void measure_policy(const World& world, double seconds) {
  const auto policy = Policy::compile(default_policy_rules());
  if (!policy.ok()) fail("the default policy does not compile");
  const auto subject = [&world](std::size_t i) {
    return PolicySubject{.tenant = "acme-industries", .device = world.device(i).state.name, .groups = {}, .labels = {}};
  };
  measure(world, "policy_publish_allowed", seconds,
          [&](std::size_t i) { return policy->allows_publish(subject(i), world.device(i).own_topic); });
  measure(world, "policy_publish_denied", seconds,
          [&](std::size_t i) { return !policy->allows_publish(subject(i), world.device(i).foreign_topic); });
}

void measure_plugin(World& world, double seconds) {
  auto& gate = world.gate();
  const auto may_publish = [&](std::size_t i, const std::string& topic) {
    MessageView message;
    message.topic = topic;
    return gate.may_write(world.device(i).client->view(), message);
  };
  measure(world, "plugin_publish_allowed", seconds,
          [&](std::size_t i) { return may_publish(i, world.device(i).own_topic); });
  measure(world, "plugin_publish_denied", seconds,
          [&](std::size_t i) { return !may_publish(i, world.device(i).foreign_topic); });
  measure(world, "plugin_receive_allowed", seconds,
          [&](std::size_t i) { return gate.may_receive(world.device(i).client->view(), world.device(i).command); });
  measure(world, "plugin_receive_denied", seconds, [&](std::size_t i) {
    return !gate.may_receive(world.device(i).client->view(), world.device(i).foreign_topic);
  });
  measure(world, "plugin_subscribe_denied", seconds,
          [&](std::size_t i) { return !gate.may_subscribe(world.device(i).client->view(), "#"); });
}

}  // namespace
}  // namespace muster::bench

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  muster::bench::World world;
  muster::bench::measure_policy(world, seconds);
  muster::bench::measure_plugin(world, seconds);
  return 0;
}
