// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/journal.h"

#include <algorithm>

#include "auth-plugin/coarse_clock.h"
#include "auth-plugin/reasons.h"
#include "core/topic_filter.h"

namespace muster::auth_plugin {
namespace {

constexpr std::chrono::seconds kQuietTime{5};
constexpr std::chrono::milliseconds kSettlePeriod{200};
constexpr std::size_t kMaxQuietStrangers = 4096;
constexpr std::size_t kMaxRefusalBuckets = 65536;  // tenants by reasons
constexpr double kRefusalsPerSecond = 1;           // records for one tenant and reason
constexpr double kRefusalsAtOnce = 10;
constexpr std::string_view kComponent = "broker-plugin";

// A record's topic and principal come from outside: cut to what record v1 takes.
std::string_view shortened(std::string_view topic) { return topic.substr(0, kMaxTopicLength); }

}  // namespace

Journal::Journal(edge::WalWriter& wal, BrokerMetrics& metrics, const Clock& clock, LogLine log_line)
    : wal_(wal), metrics_(metrics), clock_(clock), log_line_(std::move(log_line)) {}

void Journal::connected(const Session& session, const ConnectionFacts& connection) {
  metrics_.connects.add();
  metrics_.of_tenant(session).connects.add();
  (void)append(record_of(session, connection, RecordKind::kConnect));  // refused: counted by append
}

void Journal::disconnected(const Session& session, const ConnectionFacts& connection) {
  (void)append(record_of(session, connection, RecordKind::kDisconnect));  // refused: counted by append
}

Result<std::uint64_t> Journal::published(const Session& session, const ConnectionFacts& connection,
                                         const MessageView& message) {
  const std::string_view refusal = quota_refusal(session, message.qos == 0 ? 0.5 : 1);
  if (message.qos == 0 && (!refusal.empty() || !wal_.has_room_for_qos0())) {
    metrics_.qos0_shed.add();
    return std::uint64_t{0};
  }
  if (!refusal.empty()) {
    metrics_.record_refused(refusal);
    return Error{ErrorCode::kResourceExhausted, refusal, {}};
  }
  RecordView record = record_of(session, connection, RecordKind::kPublish);
  record.topic = message.topic;
  record.payload = message.payload;
  record.qos = message.qos;
  record.retain = message.retain;
  record.headers.assign(message.headers.begin(), message.headers.end());
  auto appended = append(record);
  if (appended.ok()) {
    auto& counters = metrics_.of_tenant(session);
    counters.messages.add();
    counters.octets.add(message.topic.size() + message.payload.size());
  }
  if (message.qos > 0) return appended;
  if (!appended.ok()) metrics_.qos0_shed.add();
  return std::uint64_t{0};
}

// Nobody waits for a will: beyond the device's part of the WAL it is delivered and not recorded. Otherwise a device
// that leaves and comes back would fill it by wills.
void Journal::will_sent(const Session& session, const MessageView& message) {
  const std::string_view refusal = quota_refusal(session, 1);
  if (!refusal.empty()) return metrics_.record_refused(refusal);
  RecordView record = record_of(session, session.connection, RecordKind::kWill);
  record.topic = message.topic;
  record.payload = message.payload;
  record.qos = message.qos;
  record.retain = message.retain;
  (void)append(record);  // nobody waits for a will; refused: counted by append
}

void Journal::stranger_refused(const Stranger& stranger, std::string_view reason) {
  metrics_.connect_denied(reason);
  const Time now = coarse_steady_now();
  if (may_speak_of_stranger(stranger.principal, reason, now)) {
    note(LogLevel::kWarning, "connection refused",
         {{"reason", reason},
          {"principal", stranger.principal},
          {"tenant", stranger.tenant_name},
          {"address", stranger.address}});
  } else {
    metrics_.log_lines_suppressed.add_alone();
  }
  if (!stranger.tenant_id.is_nil() && may_tell_tenant(stranger.tenant_id, reason, now)) {
    append_stranger(stranger, reason);
  }
}

// Under a device's name only where the certificate claims one of this very tenant.
void Journal::append_stranger(const Stranger& stranger, std::string_view reason) {
  const auto slash = stranger.principal.find('/');
  const bool of_tenant = slash != std::string_view::npos && stranger.principal.substr(0, slash) == stranger.tenant_name;
  RecordView record;
  record.kind = RecordKind::kDenial;
  record.tenant_id = stranger.tenant_id;
  record.device_id = stranger.device_id;
  record.certificate_id = stranger.certificate_id;
  record.tenant = stranger.tenant_name;
  if (of_tenant) record.device = stranger.principal.substr(slash + 1);
  append_denial(std::move(record), reason, {});
}

bool Journal::may_look_for_tenant() { return searches_.take(coarse_steady_now()); }

void Journal::denied(Session& session, std::string_view what, std::string_view reason, std::string_view topic) {
  metrics_.of_tenant(session).denials.add_alone();
  const Time now = coarse_steady_now();
  if (session.quiet.is_quiet(reason, now) || !lines_.take(now)) {
    metrics_.log_lines_suppressed.add_alone();
    return;
  }
  session.quiet.keep_quiet(reason, now + kQuietTime);
  note(LogLevel::kWarning, "denied",
       {{"what", what}, {"reason", reason}, {"principal", session.principal}, {"topic", shortened(topic)}});
  append_denial(record_of(session, session.connection, RecordKind::kDenial), reason, topic);
}

void Journal::cut(Session& session, std::string_view reason) {
  metrics_.cut(reason);
  metrics_.of_tenant(session).cuts.add();
  if (lines_.take(coarse_steady_now())) {
    note(LogLevel::kWarning, "session cut", {{"reason", reason}, {"principal", session.principal}});
  } else {
    metrics_.log_lines_suppressed.add_alone();
  }
  append_denial(record_of(session, session.connection, RecordKind::kDenial), reason, {});
}

void Journal::note(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  log_line_(level, format_log_line(kComponent, level, message, fields));
}

RecordView Journal::record_of(const Session& session, const ConnectionFacts& connection, RecordKind kind) const {
  RecordView record;
  record.kind = kind;
  record.tenant_id = session.tenant_id;
  record.device_id = session.device_id;
  record.tenant = session.tenant_part();
  record.device = session.device_part();
  record.connection_id = connection.id;
  record.connection_start = connection.start;
  record.certificate_id = connection.certificate_id;
  record.receive_time = clock_.now_micros();
  return record;
}

Result<std::uint64_t> Journal::append(const RecordView& record) {
  auto appended = wal_.append(record);
  if (appended.ok()) {
    metrics_.recorded(record.kind);
    std::size_t octets = kRecordFixedSize + record.topic.size() + record.payload.size();
    for (const RecordHeaderView& header : record.headers) octets += header.name.size() + header.value.size();
    device_shares_.add(record.device_id, octets);
    tenant_shares_.add(record.tenant_id, octets);
  } else {
    metrics_.record_refused(appended.error().reason);
  }
  return appended;
}

std::string_view Journal::quota_refusal(const Session& session, double part) {
  const Time now = coarse_steady_now();
  if (now >= settle_due_) {
    settle_due_ = now + kSettlePeriod;
    const edge::WalStatistics wal = wal_.statistics();
    device_shares_.settle({wal.unshipped_bytes, wal.room_bytes});
    tenant_shares_.settle({wal.unshipped_bytes, wal.room_bytes});
  }
  if (!device_shares_.has_room(session.device_id, part)) return reasons::kDeviceQuota;
  if (!tenant_shares_.has_room(session.tenant_id, part)) return reasons::kTenantQuota;
  return {};
}

void Journal::append_denial(RecordView record, std::string_view reason, std::string_view topic) {
  record.receive_time = clock_.now_micros();
  record.topic = shortened(topic);
  record.headers.push_back({"reason", reason});
  (void)append(record);  // a denial stands without its record; refused: counted by append
}

bool Journal::may_speak_of_stranger(std::string_view principal, std::string_view reason, Time now) {
  if (quiet_strangers_.size() >= kMaxQuietStrangers) quiet_strangers_.clear();
  // Per reason: a name that is claimed with a wrong certificate must not hide what comes of it with another.
  auto& quiet_until = quiet_strangers_[std::string(principal).append(" ").append(reason)];
  if (!principal.empty() && now < quiet_until) return false;
  if (!strangers_.take(now)) return false;
  quiet_until = now + kQuietTime;
  return true;
}

bool Journal::may_tell_tenant(const TenantId& tenant, std::string_view reason, Time now) {
  if (refusals_of_tenant_.size() >= kMaxRefusalBuckets) refusals_of_tenant_.clear();
  return refusals_of_tenant_.try_emplace({tenant, reason}, kRefusalsPerSecond, kRefusalsAtOnce).first->second.take(now);
}

}  // namespace muster::auth_plugin
