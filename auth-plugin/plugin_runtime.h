// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>

#include "auth-plugin/broker_metrics.h"
#include "auth-plugin/coarse_clock.h"
#include "auth-plugin/gatekeeper.h"
#include "auth-plugin/hold_sender.h"
#include "auth-plugin/identity_watcher.h"
#include "auth-plugin/order_watcher.h"
#include "auth-plugin/plugin_options.h"
#include "auth-plugin/session_news_writer.h"
#include "core/clock.h"
#include "edge/wal_writer.h"

namespace muster::auth_plugin {

// PluginRuntime owns what one start of the broker needs. Made, used and stopped on the broker's thread.
class PluginRuntime {
 public:
  // Checks the broker's configuration, opens a new incarnation of the WAL, starts the threads and takes over TLS.
  // Reasons: those of check_running_broker, PluginOptions, SnapshotFolder::create and WalWriter::open.
  static Result<std::unique_ptr<PluginRuntime>> start(const PluginOptions& options, BrokerCalls broker,
                                                      Journal::LogLine log_line);

  Gatekeeper& gatekeeper() { return *gatekeeper_; }
  void tick();
  // Makes what was appended durable, sends what waits for it, ends the threads. The object must live on: the broker
  // frees OpenSSL objects that refer to it later.
  void stop();

 private:
  explicit PluginRuntime(Journal::LogLine log_line) : log_line_(std::move(log_line)) {}
  void set_gauges();
  void tell_snapshot_state();
  void tell(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) const;

  SystemClock clock_;
  CoarseClock coarse_clock_;
  BrokerMetrics metrics_;
  IdentityExchange identity_;
  Journal::LogLine log_line_;
  std::unique_ptr<HoldSender> holds_;
  std::unique_ptr<edge::WalWriter> wal_;
  std::unique_ptr<IdentityWatcher> watcher_;
  std::unique_ptr<RegistrationSpool> registrations_;
  std::unique_ptr<SessionNewsWriter> news_;
  std::unique_ptr<OrderWatcher> orders_;
  std::unique_ptr<HandshakeGate> gate_;
  std::unique_ptr<Gatekeeper> gatekeeper_;
  std::unique_ptr<MetricsFile> metrics_file_;
  std::atomic<std::uint64_t> live_connections_{0};
  std::atomic<std::uint64_t> retained_topics_{0};
  std::atomic<std::uint64_t> pending_handshakes_{0};
  std::atomic<std::uint64_t> resting_handshakes_{0};
  std::atomic<std::uint64_t> deferred_handshakes_{0};
  std::string_view told_failure_;
  std::uint64_t told_number_ = 0;
};

}  // namespace muster::auth_plugin
