// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/plugin_runtime.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "auth-plugin/broker_guard.h"
#include "auth-plugin/heartbeat_key.h"
#include "auth-plugin/reasons.h"
#include "auth-plugin/signal_mask.h"
#include "edge/wal_reader.h"

namespace muster::auth_plugin {
namespace {

// The watcher wakes the broker's thread out of epoll_wait with SIGURG; without a handler nothing would interrupt it.
Result<void> accept_wake_signal() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGURG, &action, nullptr) != 0) return internal_error("sigaction failed");
  return {};
}

// epoll reports a socket from so many octets on. What a CONNECT needs is less; more would enlarge the kernel's buffer.
void set_listening(int fd, bool listening) {
  const int octets = listening ? 1 : 16 * 1024;
  setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &octets, sizeof octets);
}

// The edge ships a folder's incarnations one after another: a second one that lives would wait for ever.
Result<void> check_wal_is_ours(const std::string& folder) {
  for (const auto& incarnation : edge::list_incarnations(folder)) {
    if (!incarnation.lives) continue;
    return Error{ErrorCode::kFailedPrecondition, reasons::kWalFolderInUse,
                 folder + " is another broker's: each needs a wal_folder of its own"};
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<PluginRuntime>> PluginRuntime::start(const PluginOptions& options, BrokerCalls broker,
                                                            Journal::LogLine log_line) {
  MUSTER_TRY_VOID(check_running_broker(options.broker_config));
  MUSTER_TRY_VOID(accept_wake_signal());
  std::unique_ptr<PluginRuntime> runtime(new PluginRuntime(log_line));
  PluginRuntime& self = *runtime;
  MUSTER_TRY(self.holds_, HoldSender::start(HoldLimits{}, self.metrics_.hold_counters()));
  HoldSender* holds = self.holds_.get();
  MUSTER_TRY_VOID(check_wal_is_ours(options.wal.folder));
  MUSTER_TRY(self.wal_,
             edge::WalWriter::open(
                 options.wal,
                 {.on_durable = [holds](std::uint64_t mark) { holds->on_durable(mark); },
                  .on_failure = [holds](std::uint64_t lost, const Error&) { holds->on_failure(lost); },
                  .on_commit = [metrics = &self.metrics_](std::uint64_t micros) { metrics->committed(micros); }}));
  MUSTER_TRY(const HeartbeatKey heartbeat_key, HeartbeatKey::load(options.heartbeat_key_file));
  edge::SnapshotFolderConfig snapshot = options.snapshot;
  snapshot.edge_id = heartbeat_key.edge;
  snapshot.is_signed = [heartbeat_key](BytesView message, BytesView signature) {
    return heartbeat_key.verifies(message, signature);
  };
  MUSTER_TRY(self.watcher_, IdentityWatcher::start({std::move(snapshot), pthread_self()}, self.identity_));
  MetricsRegistry& registry = self.metrics_.registry();
  self.registrations_ = std::make_unique<RegistrationSpool>(
      edge::reports_folder(options.wal.folder),
      registry.counter("muster_broker_registration_reports_total", "Devices not registered that the edge was told of."),
      registry.counter("muster_broker_registration_reports_dropped_total", "Those that it was not told of."));
  self.news_ =
      std::make_unique<SessionNewsWriter>(edge::sessions_folder(options.wal.folder), self.wal_->incarnation(),
                                          registry.counter("muster_broker_session_news_dropped_total",
                                                           "Reports about commands that the edge did not get."));
  MUSTER_TRY(self.orders_, OrderWatcher::start({edge::orders_folder(options.snapshot.folder), options.snapshot.edge_uid,
                                                pthread_self()}));
  self.gatekeeper_ = std::make_unique<Gatekeeper>(Gatekeeper::Parts{.trust_domain = options.trust_domain,
                                                                    .server_name_suffix = options.server_name_suffix,
                                                                    .identity = self.identity_,
                                                                    .holds = *self.holds_,
                                                                    .metrics = self.metrics_,
                                                                    .wal = *self.wal_,
                                                                    .clock = self.clock_,
                                                                    .coarse_clock = self.coarse_clock_,
                                                                    .broker = std::move(broker),
                                                                    .log_line = std::move(log_line),
                                                                    .registrations = self.registrations_.get(),
                                                                    .news = self.news_.get(),
                                                                    .orders = self.orders_.get(),
                                                                    .limits = options.limits});
  Gatekeeper* gatekeeper = self.gatekeeper_.get();
  self.gate_ = std::make_unique<HandshakeGate>(
      options.handshakes,
      HandshakeGate::Actions{
          .end = [](int fd) { ::shutdown(fd, SHUT_RDWR); },
          .ended = [gatekeeper](std::string_view reason,
                                int fd) { gatekeeper->handshake_refused(reason, peer_address_of(fd), std::nullopt); },
          .listen = set_listening});
  MUSTER_TRY_VOID(install_tls_hook(*self.gatekeeper_, *self.gate_));
  if (!options.metrics_file.empty()) {
    self.metrics_file_ = std::make_unique<MetricsFile>(options.metrics_file, self.metrics_,
                                                       [runtime_view = runtime.get()] { runtime_view->set_gauges(); });
  }
  self.tell_snapshot_state();
  return runtime;
}

void PluginRuntime::tick() {
  gatekeeper_->tick();
  admit_newcomers();
  gate_->next_round();
  if (gate_->has_pending()) gate_->end_overdue(coarse_steady_now());
  live_connections_.store(gatekeeper_->live_connections(), std::memory_order_relaxed);
  retained_topics_.store(gatekeeper_->topics().retained_topics(), std::memory_order_relaxed);
  pending_handshakes_.store(gate_->pending(), std::memory_order_relaxed);
  resting_handshakes_.store(gate_->resting(), std::memory_order_relaxed);
  deferred_handshakes_.store(gate_->deferrals(), std::memory_order_relaxed);
  if (watcher_->last_failure() != told_failure_ || watcher_->snapshot_number() != told_number_) tell_snapshot_state();
}

void PluginRuntime::stop() {
  remove_tls_judge();
  metrics_file_.reset();
  registrations_.reset();
  orders_.reset();
  news_.reset();
  watcher_.reset();
  wal_.reset();  // commits what is left, which releases what waits for it
  holds_->stop();
}

// On the metrics thread.
void PluginRuntime::set_gauges() {
  MetricsRegistry& registry = metrics_.registry();
  const auto set = [&](std::string_view name, std::string_view help, auto value) {
    registry.gauge(name, help).set(static_cast<double>(value));
  };
  const edge::WalStatistics wal = wal_->statistics();
  set("muster_broker_sessions", "Connected devices.", live_connections_.load());
  set("muster_broker_handshakes_pending", "Connections that have not come as far as an accepted CONNECT.",
      pending_handshakes_.load());
  set("muster_broker_handshakes_resting", "Those of devices that came back too soon after they were cut at a limit.",
      resting_handshakes_.load());
  set("muster_broker_handshake_deferrals",
      "Reads of such connections that were left for the next round of the broker's loop, since the start.",
      deferred_handshakes_.load());
  set("muster_broker_retained_topics", "Topics with a retained message whose owner is known.", retained_topics_.load());
  set("muster_broker_held_bytes", "Outgoing octets that wait for the WAL.", holds_->held_bytes());
  set("muster_broker_snapshot_number", "Number of the identity snapshot in force.", watcher_->snapshot_number());
  set("muster_broker_snapshot_age_seconds", "Since the server last signed it off; -1: not known.",
      watcher_->age_seconds());
  set("muster_broker_snapshot_failed", "1 while the last refresh failed.", watcher_->last_failure().empty() ? 0 : 1);
  set("muster_broker_snapshot_refusals", "Times that a new file could not be used and the last good one stayed.",
      watcher_->refusals());
  set("muster_broker_wal_appended", "Sequence of the last record.", wal.appended);
  set("muster_broker_wal_durable", "Sequence of the last durable record.", wal.durable);
  set("muster_broker_wal_depth", "Records that are not durable yet.",
      wal.appended - std::min(wal.appended, wal.durable));
  set("muster_broker_wal_commits", "Group commits.", wal.commits);
  set("muster_broker_wal_failures", "Failed writes and fdatasyncs.", wal.failures);
  set("muster_broker_wal_unshipped_bytes", "Octets that the edge has not shipped.", wal.unshipped_bytes);
  set("muster_broker_wal_room_bytes", "Octets that it takes before it refuses.", wal.room_bytes);
  set("muster_broker_clock_steps", "Steps of the wall clock since the start.", wal.clock_steps);
  set("muster_broker_wal_last_commit_seconds", "Duration of the last group commit.",
      static_cast<double>(wal.last_commit_micros) / 1e6);
}

void PluginRuntime::tell_snapshot_state() {
  const std::string_view failure = watcher_->last_failure();
  const std::uint64_t number = watcher_->snapshot_number();
  if (failure != told_failure_ && !failure.empty()) {
    tell(LogLevel::kError, "snapshot refused",
         {{"reason", failure}, {"detail", watcher_->last_failure_detail()}, {"in_force", number}});
  }
  if (number != told_number_) tell(LogLevel::kInfo, "snapshot in force", {{"number", number}});
  told_failure_ = failure;
  told_number_ = number;
}

void PluginRuntime::tell(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) const {
  log_line_(level, format_log_line("broker-plugin", level, message, fields));
}

}  // namespace muster::auth_plugin
