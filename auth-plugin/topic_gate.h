// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the gatekeeper's part for topics: what a session may publish, receive and subscribe to. It is asked for
// every message and every subscriber, so a decision costs at most some 100 ns and allocates nothing
// (bench/acl_decision).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "auth-plugin/acl_decision.h"
#include "auth-plugin/broker_metrics.h"
#include "auth-plugin/identity_state.h"
#include "auth-plugin/journal.h"
#include "auth-plugin/retained_owners.h"
#include "auth-plugin/session_table.h"
#include "core/clock.h"

namespace muster::auth_plugin {

// Who an event is about, as the broker shows it.
struct ClientView {
  const void* context = nullptr;  // identity only
  std::string_view id;
  std::string_view username;
  bool has_address = false;  // false for the made-up client in whose name retained messages are checked
  bool clean_start = false;  // known from CONNACK on
};

// Confined to the broker's thread.
class TopicGate {
 public:
  struct Parts {
    SessionTable& sessions;
    IdentityExchange& identity;
    BrokerMetrics& metrics;
    Journal& journal;
    const Clock& clock;  // asked at every decision; seconds count
    std::size_t max_retained_topics;
  };
  explicit TopicGate(const Parts& parts) : parts_(parts), retained_(parts.max_retained_topics) {}

  // True allows. The registry's newest published state decides, at every call.
  bool may_write(const ClientView& client, const MessageView& message);
  bool may_receive(const ClientView& client, std::string_view topic, std::size_t payload_size = 0);
  bool may_subscribe(const ClientView& client, std::string_view filter, std::uint8_t qos = 0);
  void unsubscribed(const ClientView& client, std::string_view filter);

  // Brings what is known of the session to the newest published state.
  void refresh_standing(Session& session);
  bool still_allows_subscriptions(const Session& session) const;

  // Retained messages of devices that are gone are nobody's, and their topics make room for others.
  void look_for_gone_owners(const Recheck& recheck);
  bool has_owners_to_look_at() const { return !suspects_.empty(); }
  // Looks at one more of them.
  void look_at_owner();

  std::size_t retained_topics() const { return retained_.size(); }

 private:
  std::string_view refusal_of(Session& session, const TopicQuestion& question);
  // Counts the decision, once whatever it took, and gives it back.
  bool answer(Session& session, AclAccess access, std::string_view reason, std::string_view topic);
  bool deny(Session& session, AclAccess access, std::string_view reason, std::string_view topic);
  AclAccess access_of_write(const ClientView& client, const Session& session) const;
  bool remember_retained(const MessageView& message, const Session& session);

  Parts parts_;
  RetainedOwners retained_;
  std::vector<DeviceId> suspects_;  // owners of retained messages that may be gone
};

}  // namespace muster::auth_plugin
