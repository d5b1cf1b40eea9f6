// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth-plugin/hold_connection.h"
#include "auth-plugin/limit_meters.h"
#include "auth-plugin/peer_evidence.h"
#include "auth-plugin/return_delay.h"
#include "auth-plugin/tenant_counters.h"
#include "core/id.h"
#include "core/record.h"
#include "core/time.h"
#include "core/topic_decision.h"
#include "edge/identity_view.h"

struct ssl_st;

namespace muster::auth_plugin {

// Ids of one MQTT connection, which every record of it carries.
struct ConnectionFacts {
  UtcTime not_after{};  // the session is cut after this second
  std::string serial;   // of the certificate, lower-case hexadecimal
  ConnectionId id;
  UnixMicros start = 0;
  std::int64_t began = 0;  // CLOCK_BOOTTIME in nanoseconds
  Sha256 certificate_id{};
  Sha256 anchor_key{};
  Sha256 credential_id{};  // as PeerEvidence
  bool tenant_by_name = false;
  std::shared_ptr<const ExternalEvidence> external;
  std::shared_ptr<HoldConnection> hold;
  ssl_st* tls = nullptr;  // while the broker asks about this very connection
  bool mqtt5 = false;
};

// What the registry says about a session in one generation of the view. Views into that IdentityView: once the
// generation is another, nothing here may be read.
struct Standing {
  std::uint64_t generation = 0;
  const Policy* policy = nullptr;       // set where tenant and device are active
  const void* rules = nullptr;          // policy->rules_address()
  std::size_t tenant_octets = 0;        // the principal's text before its '/', which is the tenant's name
  std::string_view device_refusal;      // "" where tenant and device are active
  std::string_view connection_refusal;  // "" where, besides, the certificate and its issuer are in order
  std::vector<std::string_view> groups;
  std::vector<std::pair<std::string_view, std::string_view>> labels;
  std::vector<GrantedTopics> grants;  // sorted by device; those on devices that are not active are left out
};

// A Topic Filter that was allowed, with the QoS that was asked for.
struct Subscription {
  std::string filter;
  std::uint8_t qos = 0;
};

// Until when no further log line and record of a denial are written, for each reason: one kind of denial must not hide
// another. Reasons are of static storage, so their address tells them apart; there are a dozen.
class QuietReasons {
 public:
  using Time = std::chrono::steady_clock::time_point;
  bool is_quiet(std::string_view reason, Time now) const {
    if (last_ == reason.data()) return now < last_until_;
    for (const auto& [text, until] : until_) {
      if (text == reason.data()) return now < until;
    }
    return false;
  }
  void keep_quiet(std::string_view reason, Time until) {
    last_ = reason.data();
    last_until_ = until;
    for (auto& entry : until_) {
      if (entry.first != reason.data()) continue;
      entry.second = until;
      return;
    }
    until_.emplace_back(reason.data(), until);
  }

 private:
  const char* last_ = nullptr;  // the entry that was set last, which lies nearer than the others
  Time last_until_{};
  std::vector<std::pair<const char*, Time>> until_;
};

// Session is what the plugin knows of one MQTT session: of a principal *and* a device id, so that a device made again
// under an old name starts with nothing. It outlives its connection, for delayed wills and queued messages.
// What every topic decision reads stands first, within kHotOctets. Confined to the broker's thread.
struct alignas(64) Session {
  static constexpr std::size_t kHotOctets = 320;
  static constexpr std::size_t kMaxSubscriptions = 256;  // further ones are denied: the broker itself has no limit

  std::string principal;          // MQTT username and Client Identifier
  const void* context = nullptr;  // the broker's client object of the newest connection; compared, never followed
  bool online = false;
  // The broker may hold messages that it queued for an earlier device of this name: until the loop comes round, nothing
  // queued is delivered.
  bool queue_is_foreign = false;
  Standing standing;
  mutable TenantCounters* counters = nullptr;  // BrokerMetrics': found once
  QuietReasons quiet;
  ConnectionFacts connection;
  TenantId tenant_id;
  DeviceId device_id;
  // The context of an earlier device of this name: its will is not ours.
  const void* replaced_context = nullptr;
  std::vector<Subscription> subscriptions;
  ConnectionId subscribing;               // the connection that subscribed last
  std::uint64_t offline_turn = 0;         // its place in SessionTable's list of offline sessions; 0: none
  std::shared_ptr<DeviceMeters> meters;   // nullptr: nothing limits this device
  TenantMeters* tenant_meters = nullptr;  // LimitKeeper's
  std::uint64_t limits_generation = 0;    // of the registry's state that `meters` holds the limits of
  ReturnDelay return_delay;

  // Has the processor fetch all that a topic decision reads, at once instead of one miss after another: a broker with
  // thousands of connections finds little of it in its caches.
  void fetch() const {
    const auto* self = reinterpret_cast<const char*>(this);
    for (std::size_t line = 64; line < kHotOctets; line += 64) __builtin_prefetch(self + line);
    __builtin_prefetch(principal.data());
    __builtin_prefetch(standing.policy);
    __builtin_prefetch(standing.rules);
  }

  std::string_view tenant_part() const { return std::string_view(principal).substr(0, principal.find('/')); }
  std::string_view device_part() const { return std::string_view(principal).substr(principal.find('/') + 1); }
};

}  // namespace muster::auth_plugin
