// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "auth-plugin/acl_decision.h"
#include "auth-plugin/hold_sender.h"
#include "auth-plugin/tenant_counters.h"
#include "core/histogram.h"
#include "core/id.h"
#include "core/metrics.h"
#include "core/record.h"

namespace muster::auth_plugin {

// BrokerMetrics holds the muster_broker_* counters. The named references are for any thread; counters by reason are
// looked up on the broker's thread only.
class BrokerMetrics {
  MetricsRegistry registry_;  // first: the references below come from it

 public:
  BrokerMetrics();

  void connect_denied(std::string_view reason) {
    by_reason(denials_, "muster_broker_connect_denials_total", "Refused handshakes and CONNECTs.", reason).add();
  }
  void acl_decided(AclAccess access, std::string_view reason);
  void cut(std::string_view reason) {
    by_reason(cuts_, "muster_broker_cuts_total", "Connections cut by the plugin.", reason).add();
  }
  void limited(std::string_view reason) {
    by_reason(limited_, "muster_broker_limits_hit_total", "Limits that a device or a tenant hit.", reason).add();
  }
  void record_refused(std::string_view reason) {
    by_reason(refused_, "muster_broker_records_refused_total", "Records that the WAL did not take.", reason).add();
  }
  void recorded(RecordKind kind) { records_[static_cast<std::size_t>(kind)]->add(); }
  HoldSender::Counters hold_counters();

  void handshake(bool verified) { handshakes_[verified ? 0 : 1]->add(); }
  // Signatures of presented certificates that the plugin remembered, and those that it did not.
  void signatures(std::uint64_t remembered, std::uint64_t others) {
    signatures_[0]->add(remembered);
    signatures_[1]->add(others);
  }
  // On the WAL's thread.
  void committed(std::uint64_t micros) { commit_seconds_.observe(static_cast<double>(micros) / 1e6); }

  // The first kMaxTenants that are met have counters under their name, all others share those of "other": whatever a
  // fleet grows to, the page stays small. What is returned stays valid. On the broker's thread only.
  static constexpr std::size_t kMaxTenants = 200;
  TenantCounters& of_tenant(const TenantId& id, std::string_view name);
  // Of a session's tenant; looked up once for each session.
  TenantCounters& of_tenant(const Session& session) {
    if (!session.counters) session.counters = &of_tenant(session.tenant_id, session.tenant_part());
    return *session.counters;
  }

  Counter& connects;
  Counter& qos0_shed;
  Counter& log_lines_suppressed;
  MetricsRegistry& registry() { return registry_; }
  std::string render() const;

 private:
  // Reasons are of static storage and few: found by address, without reading or hashing them.
  struct OfReason {
    const char* reason;
    Counter* counter;
  };
  using ByReason = std::vector<OfReason>;
  Counter& by_reason(ByReason& known, std::string_view name, std::string_view help, std::string_view reason);

  ByReason denials_, cuts_, refused_, acl_denials_, limited_;
  std::array<std::array<Counter*, 2>, 5> acl_{};  // by access, by verdict
  std::array<Counter*, 6> records_{};             // by kind
  std::array<Counter*, 2> handshakes_{};
  std::array<Counter*, 2> signatures_{};
  Histogram commit_seconds_;
  TenantCounters make_tenant_counters(std::string_view label);
  std::unordered_map<TenantId, TenantCounters> tenants_;
  TenantCounters other_tenants_;
};

// MetricsFile rewrites a file in Prometheus text form once a second, from a thread of its own: readers see the old text
// or the new one. `before_render` sets the gauges.
class MetricsFile {
 public:
  MetricsFile(std::string path, const BrokerMetrics& metrics, std::function<void()> before_render);
  ~MetricsFile();

 private:
  void run(std::stop_token stop);
  void write();
  const std::string path_;
  const BrokerMetrics& metrics_;
  const std::function<void()> before_render_;
  std::jthread thread_;
};

}  // namespace muster::auth_plugin
