// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/broker_metrics.h"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <mutex>

#include "auth-plugin/reasons.h"
#include "auth-plugin/signal_mask.h"

namespace muster::auth_plugin {
namespace {

constexpr const char* kAccessNames[] = {"publish", "will", "retained", "receive", "subscribe"};
constexpr const char* kKindNames[] = {"", "publish", "will", "connect", "disconnect", "denial"};

// Seconds. One fdatasync of an NVMe disk with a capacitor is at the lower end, one of a tired SD card at the upper.
constexpr double kCommitBounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5};

}  // namespace

BrokerMetrics::BrokerMetrics()
    : connects(registry_.counter("muster_broker_connects_total", "Accepted CONNECTs.")),
      qos0_shed(registry_.counter("muster_broker_qos0_shed_total",
                                  "Messages of QoS 0 not recorded because the WAL was half full.")),
      log_lines_suppressed(
          registry_.counter("muster_broker_log_lines_suppressed_total", "Denials not logged, by rate limit.")),
      commit_seconds_(kCommitBounds),
      other_tenants_(make_tenant_counters("other")) {
  for (std::size_t refused = 0; refused < 2; ++refused) {
    handshakes_[refused] =
        &registry_.counter("muster_broker_handshakes_total", "Client certificates judged in a handshake.",
                           {{"verdict", refused ? "refused" : "verified"}});
  }
  for (std::size_t unknown = 0; unknown < 2; ++unknown) {
    signatures_[unknown] = &registry_.counter("muster_broker_signatures_total",
                                              "Signatures of presented certificates: verified before, or not.",
                                              {{"known", unknown ? "no" : "yes"}});
  }
  for (std::size_t access = 0; access < acl_.size(); ++access) {
    for (std::size_t denied = 0; denied < 2; ++denied) {
      acl_[access][denied] =
          &registry_.counter("muster_broker_acl_decisions_total", "Topic decisions.",
                             {{"access", kAccessNames[access]}, {"verdict", denied ? "denied" : "allowed"}});
    }
  }
  for (std::size_t kind = 1; kind < records_.size(); ++kind) {
    records_[kind] =
        &registry_.counter("muster_broker_records_total", "Records put into the WAL.", {{"kind", kKindNames[kind]}});
  }
}

void BrokerMetrics::acl_decided(AclAccess access, std::string_view reason) {
  acl_[static_cast<std::size_t>(access)][reason.empty() ? 0 : 1]->add_alone();
  if (!reason.empty()) {
    by_reason(acl_denials_, "muster_broker_acl_denials_total", "Denied topic decisions.", reason).add_alone();
  }
}

TenantCounters BrokerMetrics::make_tenant_counters(std::string_view label) {
  const MetricLabels labels = {{"tenant", std::string(label)}};
  return {
      registry_.counter("muster_broker_tenant_messages_total", "Messages of a tenant's devices, recorded.", labels),
      registry_.counter("muster_broker_tenant_octets_total", "Octets of their topics and payloads.", labels),
      registry_.counter("muster_broker_tenant_connects_total", "Accepted CONNECTs of a tenant's devices.", labels),
      registry_.counter("muster_broker_tenant_denials_total", "Topic decisions and messages denied to them.", labels),
      registry_.counter("muster_broker_tenant_cuts_total", "Their connections cut by the plugin.", labels),
      registry_.counter("muster_broker_tenant_limited_total", "Limits that they hit.", labels)};
}

// A tenant made again under an old name counts on under it: counters say what happened, not to whom it belongs. One
// that is called "other" is among the others: its name would be theirs.
TenantCounters& BrokerMetrics::of_tenant(const TenantId& id, std::string_view name) {
  const auto known = tenants_.find(id);
  if (known != tenants_.end()) return known->second;
  if (tenants_.size() >= kMaxTenants || name.empty() || name == "other") return other_tenants_;
  return tenants_.emplace(id, make_tenant_counters(name)).first->second;
}

std::string BrokerMetrics::render() const {
  return registry_.render() +
         commit_seconds_.render("muster_broker_wal_commit_seconds", "Duration of a group commit: write and fdatasync.");
}

HoldSender::Counters BrokerMetrics::hold_counters() {
  constexpr const char* kCuts = "muster_broker_hold_cuts_total";
  constexpr const char* kHelp = "Connections cut because of what they held.";
  const auto labelled = [](std::string_view reason) { return MetricLabels{{"reason", std::string(reason)}}; };
  return {
      registry_.counter("muster_broker_released_bytes_total", "Held octets that were sent after they were durable."),
      registry_.counter(kCuts, kHelp, labelled(reasons::kNotDurable)),
      registry_.counter(kCuts, kHelp, labelled(reasons::kHoldTooLong)),
      registry_.counter(kCuts, kHelp, labelled(reasons::kHoldTooLarge)),
      registry_.counter("muster_broker_farewells_dropped_total",
                        "Closed connections whose held octets could not be sent in time.")};
}

// One text at two addresses gets the same counter twice.
Counter& BrokerMetrics::by_reason(ByReason& known, std::string_view name, std::string_view help,
                                  std::string_view reason) {
  for (const OfReason& entry : known) {
    if (entry.reason == reason.data()) return *entry.counter;
  }
  Counter& made = registry_.counter(name, help, {{"reason", std::string(reason)}});
  known.push_back({reason.data(), &made});
  return made;
}

MetricsFile::MetricsFile(std::string path, const BrokerMetrics& metrics, std::function<void()> before_render)
    : path_(std::move(path)), metrics_(metrics), before_render_(std::move(before_render)) {
  const SignalMask blocked;
  thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
}

MetricsFile::~MetricsFile() = default;

void MetricsFile::run(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  while (!stop.stop_requested()) {
    write();
    std::unique_lock lock(mutex);
    wake.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; });
  }
}

// No fsync: after a power failure the counters start again anyway.
void MetricsFile::write() {
  before_render_();
  const std::string temporary = path_ + ".new";
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file << metrics_.render();
    if (!file.flush()) return;
  }
  std::rename(temporary.c_str(), path_.c_str());
}

}  // namespace muster::auth_plugin
