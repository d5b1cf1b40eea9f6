// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what one topic decision costs: core's Policy alone, and the plugin's decision with the look-up of its
// session. Prints one JSON line per case: median nanoseconds of a decision over batches, and allocations per decision.
//
//   acl_decision_bench [SECONDS PER CASE]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "auth-plugin/acl_decision.h"
#include "auth-plugin/session_table.h"
#include "bench/allocation_count.h"
#include "core/policy.h"

namespace muster::bench {
namespace {

using auth_plugin::AclAccess;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kDevices = 1000;
constexpr std::size_t kBatch = 1000;

const UtcTime kNow = std::chrono::time_point_cast<UtcTime::duration>(std::chrono::system_clock::now());

// World: one tenant's devices, each with a session, the default policy and the topics of a device.
struct World {
  Policy policy;
  auth_plugin::SessionTable table{kDevices};
  std::vector<std::string> principals;
  std::vector<std::shared_ptr<auth_plugin::Session>> sessions;
  std::vector<std::string> own_topics;      // allowed to publish
  std::vector<std::string> foreign_topics;  // another device's
  std::vector<std::string> commands;        // allowed to receive
};

std::unique_ptr<World> make_world() {
  auto compiled = Policy::compile(default_policy_rules());
  if (!compiled.ok()) {
    std::fprintf(stderr, "the default policy does not compile\n");
    std::exit(1);
  }
  auto world = std::make_unique<World>(World{.policy = std::move(compiled).value(),
                                             .principals = {},
                                             .sessions = {},
                                             .own_topics = {},
                                             .foreign_topics = {},
                                             .commands = {}});
  for (std::size_t i = 0; i < kDevices; ++i) {
    world->principals.push_back("acme-industries/pump-" + std::to_string(10000 + i));
  }
  for (std::size_t i = 0; i < kDevices; ++i) {
    const std::string& principal = world->principals[i];
    auth_plugin::Session session;
    session.principal = principal;
    session.device_id = DeviceId::random();
    session.connection.not_after = kNow + std::chrono::hours(24);
    session.standing.generation = 1;
    session.standing.tenant_name = "acme-industries";
    session.standing.device.name = std::string_view(principal).substr(principal.find('/') + 1);
    session.standing.device.policy = &world->policy;
    world->sessions.push_back(world->table.admit(&principal, session));
    world->sessions.back()->queue_is_foreign = false;  // as after the first turn of the broker's loop
    world->own_topics.push_back(principal + "/telemetry/line-3/temperature");
    world->foreign_topics.push_back(world->principals[(i + 1) % kDevices] + "/telemetry/line-3/temperature");
    world->commands.push_back(principal + "/commands/restart");
  }
  return world;
}

// Runs `decide(i)` in batches and prints the median. `decide` returns whether the decision was the expected one.
template <typename Decide>
void measure(const char* name, double seconds, Decide decide) {
  std::vector<double> nanos;
  nanos.reserve(1 << 20);
  std::size_t wrong = 0;
  std::size_t allocated = 0;
  std::size_t decisions = 0;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end && nanos.size() < nanos.capacity()) {
    const std::size_t before = allocation_count();
    const auto start = Clock::now();
    for (std::size_t i = 0; i < kBatch; ++i) {
      wrong += decide(i % kDevices) ? 0 : 1;
    }
    const std::chrono::duration<double, std::nano> took = Clock::now() - start;
    allocated += allocation_count() - before;
    decisions += kBatch;
    nanos.push_back(took.count() / static_cast<double>(kBatch));
  }
  if (wrong > 0) {
    std::fprintf(stderr, "%s: %zu decisions were wrong\n", name, wrong);
    std::exit(1);
  }
  std::sort(nanos.begin(), nanos.end());
  std::printf("{\"case\":\"%s\",\"median_ns\":%.1f,\"p99_ns\":%.1f,\"allocations\":%.4f,\"decisions\":%zu}\n", name,
              nanos[nanos.size() / 2], nanos[nanos.size() * 99 / 100],
              static_cast<double>(allocated) / static_cast<double>(decisions), decisions);
}

void measure_all(const World& world, double seconds) {
  const auto subject = [&world](std::size_t i) {
    return PolicySubject{
        .tenant = "acme-industries", .device = world.sessions[i]->standing.device.name, .groups = {}, .labels = {}};
  };
  measure("policy_publish_allowed", seconds,
          [&](std::size_t i) { return world.policy.allows_publish(subject(i), world.own_topics[i]); });
  measure("policy_publish_denied", seconds,
          [&](std::size_t i) { return !world.policy.allows_publish(subject(i), world.foreign_topics[i]); });
  const auto decide = [&world](std::size_t i, AclAccess access, const std::string& topic) {
    const auto session = world.table.find(&world.principals[i], world.principals[i], world.principals[i]);
    return session != nullptr && auth_plugin::decide_acl(*session, access, topic, kNow).empty();
  };
  measure("plugin_publish_allowed", seconds,
          [&](std::size_t i) { return decide(i, AclAccess::kPublish, world.own_topics[i]); });
  measure("plugin_publish_denied", seconds,
          [&](std::size_t i) { return !decide(i, AclAccess::kPublish, world.foreign_topics[i]); });
  measure("plugin_receive_allowed", seconds,
          [&](std::size_t i) { return decide(i, AclAccess::kReceive, world.commands[i]); });
  measure("plugin_subscribe_denied", seconds, [&](std::size_t i) { return !decide(i, AclAccess::kSubscribe, "#"); });
}

}  // namespace
}  // namespace muster::bench

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  const auto world = muster::bench::make_world();
  muster::bench::measure_all(*world, seconds);
  return 0;
}
