// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the gatekeeper's part for sessions that are known beyond this broker: tells the edge of those that begin,
// cuts those that have a newer one elsewhere, and hands devices their commands (docs/many-brokers.md). An order names
// one connection: it can end or address no other. Commands go to topics of the session's own device only, and only
// where its policy lets it receive them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "auth-plugin/journal.h"
#include "auth-plugin/order_watcher.h"
#include "auth-plugin/session_news_writer.h"
#include "auth-plugin/session_table.h"
#include "auth-plugin/topic_gate.h"
#include "core/clock.h"

namespace muster::auth_plugin {

// A command on its way to one connected client.
struct OutgoingCommand {
  std::string client_id;
  std::string topic;
  std::string response_topic;
  std::string content_type;  // empty: none
  std::string correlation;   // the command's id
  std::uint32_t expires_in_seconds = 1;
  BytesView payload;
};

// Confined to the broker's thread.
class SessionDesk {
 public:
  struct Parts {
    SessionNewsWriter* news = nullptr;  // nullptr: nobody is told
    OrderWatcher* orders = nullptr;     // nullptr: nobody orders anything
    std::function<bool(const OutgoingCommand&)> publish;
    std::function<void(const std::shared_ptr<Session>&)> cut;  // the session has a newer one elsewhere
  };
  struct Counters {
    Counter& sent;
    Counter&
        dropped;  // expired, not allowed, or beyond our limits: the device gets it with its next session, if at all
  };
  SessionDesk(Parts parts, SessionTable& sessions, TopicGate& topics, Journal& journal, const Clock& clock,
              Counters counters);

  void began(const Session& session);
  void ended(const ConnectionFacts& connection);
  // The device was let subscribe: commands may have waited for that.
  void subscribed() { look_again_ = look_again_ || !waiting_.empty(); }
  // The device published: it may have answered a command.
  void published(const Session& session, std::string_view topic);
  // Between two rounds of the broker's loop. Costs one atomic load while there is nothing to do.
  void tick();
  // Whether the broker has something to send since the last call: it does that at the beginning of a round.
  bool take_has_published() { return std::exchange(has_published_, false); }

 private:
  static constexpr std::size_t kMaxWaitingOctets = 64U << 20;
  using Waiting = std::vector<edge::SessionOrder>;

  void tell_of_everything();
  void follow(edge::SessionOrder order);
  void deliver_waiting();
  enum class Delivery { kDone, kLater };
  Delivery deliver(Session& session, const edge::SessionOrder& order);
  static bool is_subscribed(const Session& session, std::string_view topic);

  Parts parts_;
  SessionTable& sessions_;
  TopicGate& topics_;
  Journal& journal_;
  const Clock& clock_;
  Counters counters_;
  std::unordered_map<ConnectionId, Waiting> waiting_;  // commands of sessions that have not subscribed to them
  std::size_t waiting_octets_ = 0;
  std::unordered_map<ConnectionId, std::deque<RawId>> handed_;  // commands that a session has, to know repetitions
  bool look_again_ = false;
  bool has_published_ = false;
};

}  // namespace muster::auth_plugin
