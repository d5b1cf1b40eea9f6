// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "auth-plugin/backlog_shares.h"
#include "auth-plugin/broker_metrics.h"
#include "auth-plugin/session.h"
#include "auth-plugin/token_bucket.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/record.h"
#include "edge/wal_writer.h"

namespace muster::auth_plugin {

// A message as the broker shows it. Views.
struct MessageView {
  std::string_view topic;
  BytesView payload;
  std::uint8_t qos = 0;
  bool retain = false;
  std::span<const RecordHeaderView> headers;
};

// Who was refused before there was a session. The principal is a claim; the tenant is not: its key signed the
// certificate, or the TLS server name picked it.
struct Stranger {
  std::string_view principal;  // "" where the certificate names none of ours
  std::string_view address;
  TenantId tenant_id;            // nil where none is known
  std::string_view tenant_name;  // its name in the registry
  DeviceId device_id;            // nil where the certificate is not listed
  Sha256 certificate_id{};
};

// Journal tells the world what happened: WAL records, log lines and counters. Denials of one principal leave one record
// and one line in five seconds for each reason, those of strangers a few a second in all: refusing must not fill a
// disk. Confined to the broker's thread.
class Journal {
 public:
  using LogLine = std::function<void(LogLevel, const std::string&)>;
  Journal(edge::WalWriter& wal, BrokerMetrics& metrics, const Clock& clock, LogLine log_line);

  void connected(const Session& session, const ConnectionFacts& connection);
  void disconnected(const Session& session, const ConnectionFacts& connection);
  // Returns the sequence that an acknowledgement must wait for; 0 where nothing needs to (QoS 0).
  // Reasons: those of WalWriter::append, wal.device_quota, wal.tenant_quota.
  Result<std::uint64_t> published(const Session& session, const ConnectionFacts& connection,
                                  const MessageView& message);
  void will_sent(const Session& session, const MessageView& message);

  // Writes a line, and a record for the tenant where one is known: each within limits of its own, so that strangers of
  // nobody's do not hide those that a tenant must hear of.
  void stranger_refused(const Stranger& stranger, std::string_view reason);
  // Whether to spend signature checks on finding out whose a refused certificate is.
  bool may_look_for_tenant();
  void denied(Session& session, std::string_view what, std::string_view reason, std::string_view topic);
  void cut(Session& session, std::string_view reason);
  void note(LogLevel level, std::string_view message, std::initializer_list<LogField> fields);

 private:
  using Time = std::chrono::steady_clock::time_point;
  RecordView record_of(const Session& session, const ConnectionFacts& connection, RecordKind kind) const;
  Result<std::uint64_t> append(const RecordView& record);
  std::string_view quota_refusal(const Session& session, double part);
  void append_stranger(const Stranger& stranger, std::string_view reason);
  void append_denial(RecordView record, std::string_view reason, std::string_view topic);
  bool may_speak_of_stranger(std::string_view principal, std::string_view reason, Time now);
  bool may_tell_tenant(const TenantId& tenant, std::string_view reason, Time now);

  edge::WalWriter& wal_;
  BrokerMetrics& metrics_;
  const Clock& clock_;
  LogLine log_line_;
  BacklogShares<DeviceId> device_shares_{0.5};
  BacklogShares<TenantId> tenant_shares_{0.75};
  Time settle_due_{};
  PacedBucket lines_{50, 50};
  PacedBucket strangers_{10, 20};  // log lines
  PacedBucket searches_{100, 100};
  std::unordered_map<std::string, Time> quiet_strangers_;
  std::map<std::pair<TenantId, std::string_view>, PacedBucket> refusals_of_tenant_;
};

}  // namespace muster::auth_plugin
