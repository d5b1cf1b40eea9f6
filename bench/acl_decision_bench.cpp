// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what one topic decision costs: core's Policy alone, and all that the plugin does in answer to the broker's
// question: session, standing in the registry's newest state, clock, policy, counters, rate limit of denials. Prints
// one JSON line per case: nanoseconds of a decision as the median over batches, p50 and p99 of decisions that were
// timed one by one (the clock's own cost taken off), and allocations per decision. Devices take turns in random order.
//
//   acl_decision_bench [SECONDS PER CASE [DEVICES [CONNECTED]]]
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "auth-plugin/coarse_clock.h"
#include "auth-plugin/topic_gate.h"
#include "bench/allocation_count.h"
#include "bench/fleet_base.h"
#include "core/policy.h"
#include "edge/base_file_writer.h"
#include "edge/snapshot_loader.h"

namespace muster::bench {
namespace {

using auth_plugin::ClientView;
using auth_plugin::MessageView;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatch = 1000;
constexpr std::size_t kTimedOneByOne = 400'000;
constexpr std::size_t kBrokerContextSize = 1000;  // octets, about

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
  std::string tenant;
  std::string name;
  std::string principal;
  std::string own_topic;      // allowed to publish
  std::string foreign_topic;  // another device's
  std::string command;        // allowed to receive
  std::unique_ptr<BrokerClient> client;
};

// What the broker has at hand when it asks: its client object's pointers and a topic that it has just read. These lie
// one after another, so that the processor has them when their turn comes; the client's name and all that is the
// plugin's lie where their owners put them.
struct Question {
  struct Topic {
    std::array<char, 63> text{};
    std::uint8_t size = 0;
    std::string_view view() const { return {text.data(), size}; }
  };
  explicit Question(const Device& device) : client(device.client->view()) {
    set(own, device.own_topic);
    set(foreign, device.foreign_topic);
    set(command, device.command);
  }
  static void set(Topic& topic, const std::string& text) {
    if (text.size() > topic.text.size()) fail("a topic is too long: " + text);
    std::ranges::copy(text, topic.text.begin());
    topic.size = static_cast<std::uint8_t>(text.size());
  }
  ClientView client;
  Topic own, foreign, command;
};

// World: a fleet in the registry's state, and some of its devices connected, each with its tenant's policy.
class World {
 public:
  World(const FleetShape& shape, std::size_t connected) : folder_("/tmp/muster-acl-XXXXXX"), fleet_(shape) {
    if (!mkdtemp(folder_.data())) fail("no temporary folder");
    for (std::size_t i = 0; i < connected; ++i) add_device(place_of(i, connected));
    for (std::size_t i = 0; i < connected; ++i) devices_[i].foreign_topic = devices_[(i + 1) % connected].own_topic;
    publish_state();
    for (std::size_t i = 0; i < connected; ++i) connect(place_of(i, connected), devices_[i]);
    std::ranges::shuffle(devices_, std::mt19937_64{1});
    for (const Device& device : devices_) questions_.emplace_back(device);
  }
  ~World() { std::filesystem::remove_all(folder_); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  std::size_t connected() const { return devices_.size(); }
  auth_plugin::TopicGate& gate() { return gate_; }
  std::size_t lines() const { return lines_; }
  const Device& device(std::size_t i) const { return devices_[i]; }
  const Question& question(std::size_t i) const { return questions_[i]; }

 private:
  // Spread over the fleet and its tenants.
  std::size_t place_of(std::size_t i, std::size_t connected) const {
    const std::size_t stride = fleet_.shape().devices / connected;
    return i * stride + i % stride;
  }

  void add_device(std::size_t i) {
    Device device;
    device.tenant = fleet_.tenant_of(i).name;
    device.name = fleet_.device(i).name;
    device.principal = device.tenant + "/" + device.name;
    device.own_topic = device.principal + "/telemetry/line-3/temperature";
    device.command = device.principal + "/commands/restart";
    device.client = std::make_unique<BrokerClient>(device.principal);
    devices_.push_back(std::move(device));
  }

  void publish_state() {
    edge::BaseFileWriter base;
    fleet_.for_each([&](const edge::IdentityChange& entity) {
      if (!base.add(entity).ok()) fail("the snapshot cannot be written");
    });
    const auto written = base.write(edge::base_path(folder_), 0600, {RawId{}, 1});
    auto view = edge::load_base(folder_, 0);
    if (!written.ok() || !view.ok()) fail("the snapshot cannot be written or read");
    const auto state = std::make_shared<auth_plugin::IdentityState>();
    state->view = std::move(view).value();
    state->generation = 1;
    identity_.publish(state, {});
  }

  void connect(std::size_t place, const Device& device) {
    const edge::CertificateState certificate = fleet_.certificate(place);
    auth_plugin::Session session;
    session.principal = device.principal;
    session.tenant_id = certificate.tenant_id;
    session.device_id = certificate.device_id;
    session.connection.certificate_id = session.connection.credential_id = certificate.id;
    session.connection.anchor_key = fleet_.issuer_of(place).spki_sha256;
    session.connection.not_after = certificate.not_after;
    // As after the first turn of the broker's loop.
    sessions_.admit(device.client->context.get(), session)->queue_is_foreign = false;
  }

  std::string folder_;
  Fleet fleet_;
  std::vector<Device> devices_;
  std::vector<Question> questions_;
  NoWal wal_;
  SystemClock clock_;
  auth_plugin::CoarseClock coarse_clock_;
  auth_plugin::BrokerMetrics metrics_;
  std::size_t lines_ = 0;  // written to the log
  auth_plugin::Journal journal_{wal_, metrics_, clock_, [this](LogLevel, const std::string&) { ++lines_; }};
  auth_plugin::IdentityExchange identity_;
  auth_plugin::SessionTable sessions_{1};
  auth_plugin::TopicGate gate_{{sessions_, identity_, metrics_, journal_, coarse_clock_, 1}};
};

// Nanoseconds by the processor's own counter, which costs less than the operating system's clock.
class Stopwatch {
 public:
  Stopwatch() {
    const auto start = Clock::now();
    const std::uint64_t first = ticks();
    while (Clock::now() - start < std::chrono::milliseconds(50)) {
    }
    const std::chrono::duration<double, std::nano> took = Clock::now() - start;
    nanos_per_tick_ = took.count() / static_cast<double>(ticks() - first);
    std::vector<std::uint64_t> idle(10'001);
    for (std::uint64_t& one : idle) {
      const std::uint64_t before = ticks();
      one = ticks() - before;
    }
    std::ranges::nth_element(idle, idle.begin() + 5'000);
    own_ = idle[5'000];
  }
  static std::uint64_t ticks() {
#if defined(__x86_64__)
    unsigned core = 0;
    return __rdtscp(&core);
#else
    return static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
#endif
  }
  double nanos(std::uint64_t ticks) const {
    return static_cast<double>(ticks - std::min(ticks, own_)) * nanos_per_tick_;
  }

 private:
  double nanos_per_tick_ = 1;
  std::uint64_t own_ = 0;  // ticks that taking the time twice costs
};

struct OneByOne {
  double p50 = 0;
  double p99 = 0;
};

template <typename Decide>
OneByOne time_one_by_one(const World& world, Decide decide) {
  static const Stopwatch stopwatch;
  std::vector<std::uint64_t> ticks(kTimedOneByOne);
  std::size_t device = 0;
  for (std::uint64_t& one : ticks) {
    const std::uint64_t before = Stopwatch::ticks();
    const bool right = decide(device);
    one = Stopwatch::ticks() - before;
    if (!right) fail("a decision was wrong");
    if (++device == world.connected()) device = 0;
  }
  std::ranges::sort(ticks);
  return {stopwatch.nanos(ticks[ticks.size() / 2]), stopwatch.nanos(ticks[ticks.size() * 99 / 100])};
}

// Runs `decide(i)` in batches and prints the median. `decide` returns whether the decision was the expected one.
// A denial may write its line to log and journal, fifty a second at most; such batches count in the time, but what the
// line allocates is not the decision's.
template <typename Decide>
void measure(const World& world, const char* name, double seconds, Decide decide) {
  const std::size_t devices = world.connected();
  for (std::size_t i = 0; i < devices; ++i) (void)decide(i);  // the state's first look at each session allocates
  const OneByOne one_by_one = time_one_by_one(world, decide);
  std::vector<double> nanos;
  nanos.reserve(1 << 20);
  std::size_t next = 0;
  std::size_t wrong = 0;
  std::size_t allocated = 0;
  std::size_t decisions = 0;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end && nanos.size() < nanos.capacity()) {
    const std::size_t lines = world.lines();
    const std::size_t before = allocation_count();
    const auto start = Clock::now();
    for (std::size_t i = 0; i < kBatch; ++i) {
      wrong += decide(next) ? 0 : 1;
      if (++next == devices) next = 0;
    }
    const std::chrono::duration<double, std::nano> took = Clock::now() - start;
    if (world.lines() == lines) allocated += allocation_count() - before;
    decisions += kBatch;
    nanos.push_back(took.count() / static_cast<double>(kBatch));
  }
  if (wrong > 0) fail(std::string(name) + ": " + std::to_string(wrong) + " decisions were wrong");
  std::sort(nanos.begin(), nanos.end());
  std::printf(
      "{\"case\":\"%s\",\"median_ns\":%.1f,\"p50_ns\":%.1f,\"p99_ns\":%.1f,\"allocations\":%.4f,\"decisions\":%zu}\n",
      name, nanos[nanos.size() / 2], one_by_one.p50, one_by_one.p99,
      static_cast<double>(allocated) / static_cast<double>(decisions), decisions);
}

void measure_policy(const World& world, double seconds) {
  const auto policy = Policy::compile(default_policy_rules());
  if (!policy.ok()) fail("the default policy does not compile");
  const auto subject = [&world](std::size_t i) {
    return PolicySubject{.tenant = world.device(i).tenant, .device = world.device(i).name, .groups = {}, .labels = {}};
  };
  measure(world, "policy_publish_allowed", seconds,
          [&](std::size_t i) { return policy->allows_publish(subject(i), world.device(i).own_topic); });
  measure(world, "policy_publish_denied", seconds,
          [&](std::size_t i) { return !policy->allows_publish(subject(i), world.device(i).foreign_topic); });
}

void measure_plugin(World& world, double seconds) {
  auto& gate = world.gate();
  const auto may_publish = [&](const Question& question, const Question::Topic& topic) {
    MessageView message;
    message.topic = topic.view();
    return gate.may_write(question.client, message);
  };
  const auto may_receive = [&](const Question& question, const Question::Topic& topic) {
    return gate.may_receive(question.client, topic.view());
  };
  const auto asked = [&world](std::size_t i) -> const Question& { return world.question(i); };
  measure(world, "plugin_publish_allowed", seconds, [&](std::size_t i) { return may_publish(asked(i), asked(i).own); });
  measure(world, "plugin_publish_denied", seconds,
          [&](std::size_t i) { return !may_publish(asked(i), asked(i).foreign); });
  measure(world, "plugin_receive_allowed", seconds,
          [&](std::size_t i) { return may_receive(asked(i), asked(i).command); });
  measure(world, "plugin_receive_denied", seconds,
          [&](std::size_t i) { return !may_receive(asked(i), asked(i).foreign); });
  measure(world, "plugin_subscribe_denied", seconds,
          [&](std::size_t i) { return !gate.may_subscribe(asked(i).client, "#"); });
}

}  // namespace
}  // namespace muster::bench

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  muster::bench::FleetShape shape;
  shape.devices = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000;
  const std::size_t connected = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1'000;
  if (connected == 0 || connected > shape.devices) return 2;
  muster::bench::World world{shape, connected};
  muster::bench::measure_policy(world, seconds);
  muster::bench::measure_plugin(world, seconds);
  return 0;
}
