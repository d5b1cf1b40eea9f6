// SPDX-License-Identifier: Apache-2.0
//
// Purpose: answers the broker's events. It knows no mosquitto type: plugin.cpp turns events into the questions below
// and the answers into return codes. All of it runs on the broker's only thread: no I/O, no lock that another thread
// can hold long, no unbounded loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "auth-plugin/broker_metrics.h"
#include "auth-plugin/coarse_clock.h"
#include "auth-plugin/hold_sender.h"
#include "auth-plugin/identity_state.h"
#include "auth-plugin/journal.h"
#include "auth-plugin/limit_keeper.h"
#include "auth-plugin/parsed_chain.h"
#include "auth-plugin/registration_spool.h"
#include "auth-plugin/registry_standing.h"
#include "auth-plugin/session_desk.h"
#include "auth-plugin/session_table.h"
#include "auth-plugin/tls_hook.h"
#include "auth-plugin/topic_gate.h"
#include "core/clock.h"
#include "core/identity.h"
#include "x509/signature_memory.h"

namespace muster::auth_plugin {

enum class Will : std::uint8_t { kSend, kSuppress };

// What the gatekeeper asks of the broker, from TICK only.
struct BrokerCalls {
  std::function<void(const std::string& username, Will will)> kick;
  std::function<bool(const OutgoingCommand& command)> publish;  // to one connected client at QoS 1
};

struct ConnectView {
  ClientView client;
  bool has_certificate = false;
  std::optional<ProvedPeer> proved;
  std::chrono::seconds keepalive{0};
  std::string_view address;
  int protocol_version = 0;
};

// What becomes of a CONNECT.
struct ConnectAnswer {
  std::string username;   // to be set; "" refuses
  bool answered = false;  // refused, and the client has its CONNACK from us
};

enum class PublishAnswer : std::uint8_t { kAccept, kCut };
enum class PublishLimit : std::uint8_t { kWithin, kCut, kCutAndTold };  // told: the client has its DISCONNECT from us

class Gatekeeper final : public HandshakeJudge {
 public:
  struct Parts {
    TrustDomain trust_domain;
    std::string server_name_suffix;
    IdentityExchange& identity;
    HoldSender& holds;
    BrokerMetrics& metrics;
    edge::WalWriter& wal;
    const Clock& clock;
    const Clock& coarse_clock;  // for topic decisions
    BrokerCalls broker;
    Journal::LogLine log_line;
    RegistrationSpool* registrations = nullptr;  // nullptr: nobody hears of devices that are not registered
    SessionNewsWriter* news = nullptr;           // nullptr: this broker is the only one
    OrderWatcher* orders = nullptr;
    std::size_t max_offline_sessions = 262144;
    std::size_t max_retained_topics = 262144;
    std::size_t max_known_signatures = 131072;
    TenantLimits limits{};  // the platform's: for every tenant, and for every device
  };
  explicit Gatekeeper(Parts parts);

  // TLS
  Result<PeerEvidence> judge(const PresentedChain& chain) override;
  HandshakeGate::Time may_return(const PeerEvidence& evidence) override;
  Result<std::optional<TenantId>> tenant_of_server_name(std::string_view name) override;
  bool uses_server_names() const override { return !parts_.server_name_suffix.empty(); }
  void handshake_refused(std::string_view reason, std::string_view address,
                         const std::optional<TenantId>& tenant) override;

  ConnectAnswer connect(const ConnectView& view);
  void reload_begins() { reloading_ = true; }
  void disconnected(const void* context);

  TopicGate& topics() { return topics_; }
  bool may_subscribe(const ClientView& client, std::string_view filter, std::uint8_t qos);
  // Limits, asked before (publish, subscribe) and after (receive) the topic decision.
  PublishLimit limit_publish(const ClientView& client, const MessageView& message);
  bool may_hold_subscription(const ClientView& client, std::string_view filter);
  bool may_be_queued(const ClientView& client, const MessageView& message);
  PublishAnswer publish(const ClientView& client, const MessageView& message);

  // Between two rounds of the broker's loop. Cheap where there is nothing to do.
  void tick();
  bool wants_another_round() { return desk_.take_has_published(); }

  std::size_t live_connections() const { return sessions_.live_count(); }

 private:
  struct Deadline {
    UtcTime not_after;
    std::weak_ptr<Session> session;
    ConnectionId connection;
    bool operator>(const Deadline& other) const { return not_after > other.not_after; }
  };

  void report_unknown(const ConnectQuestion& question, std::string_view reason);
  Stranger stranger_of(const PeerEvidence& evidence, std::string_view address);
  Stranger stranger_of(const ParsedChain& chain) const;
  void name_tenant(const ParsedChain& chain, const IdentityState& state, Stranger& stranger);
  bool is_known_in_reload(const ConnectView& view) const;
  Result<std::string> open_session(const ConnectView& view);
  std::string_view connect_limit(Session& admitted);
  void delay_return(Session& session);
  bool tell_limit(const ConnectView& view, std::string_view reason) const;
  void add_deadline(const std::shared_ptr<Session>& session);
  std::shared_ptr<HoldConnection> install_hold(const ConnectView& view) const;

  void queue_rechecks();
  void work_off_rechecks();
  void recheck(const std::shared_ptr<Session>& session);
  void cut_expired();
  void cut(const std::shared_ptr<Session>& session, std::string_view reason, Will will);
  void cut_older(const std::shared_ptr<Session>& session);

  Parts parts_;
  x509::SignatureMemory signatures_;
  Journal journal_;
  SessionTable sessions_;
  LimitKeeper limits_;
  TopicGate topics_;
  SessionDesk desk_;
  ReturnDelay::Time last_return_{};  // of all devices that wait for theirs
  bool reloading_ = false;
  std::vector<std::shared_ptr<Session>> fresh_;  // sessions whose queue may be another's, until the loop comes round
  std::deque<std::shared_ptr<Session>> rechecks_;
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines_;
  UtcTime last_deadline_look_{};
};

}  // namespace muster::auth_plugin
