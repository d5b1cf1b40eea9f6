// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the whole decision about one topic: the device's policy, the grants that it holds, and what no policy can
// allow. The broker plugin, the answers to other brokers and `muster policy test` all come through here. Who the device
// is and whether it is in good standing was decided before.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/policy.h"

namespace muster {

namespace reasons {
inline constexpr std::string_view kTopicInvalid = "acl.topic_invalid";
inline constexpr std::string_view kDollarTopic = "acl.dollar_topic";
inline constexpr std::string_view kNotInPolicy = "acl.not_in_policy";      // nor in a grant
inline constexpr std::string_view kQosNotAllowed = "acl.qos_not_allowed";  // a rule matches, with a lower max_qos
inline constexpr std::string_view kPayloadTooLarge =
    "acl.payload_too_large";  // a rule matches, with a lower max_payload
inline constexpr std::string_view kRetainNotAllowed = "acl.retain_not_allowed";
}  // namespace reasons

enum class TopicAccess : std::uint8_t {
  kPublish,
  kWill,      // a will is sent: the connection is closing or gone
  kRetained,  // may the sender of a retained message still send it
  kReceive,
  kSubscribe,
};

struct TopicQuestion {
  TopicAccess access = TopicAccess::kPublish;
  std::string_view topic;  // as the client sent it; for kSubscribe a Topic Filter
  Carried carried = {};    // kSubscribe: the QoS asked for; kRetained: not looked at
  bool retain = false;     // kPublish, kWill
};

// One line of a grant with the present name of the device whose topics it opens.
struct GrantedTopics {
  std::string_view device;
  PolicyActions actions;
  std::uint8_t max_qos = kAnyQos;
  std::uint32_t max_payload = kAnyPayload;
  std::string_view filter;  // a valid Topic Filter
};

struct TopicRights {
  const Policy& policy;
  PolicySubject subject;
  std::span<const GrantedTopics> grants;  // sorted by device
};

struct TopicVerdict {
  enum class By : std::uint8_t { kNothing, kPolicy, kGrant };
  static constexpr std::uint16_t kNoRule = PolicyMatch::kNoRule;
  std::string_view reason;       // empty: allowed
  By by = By::kNothing;          // what allowed it, or came nearest to
  std::uint16_t rule = kNoRule;  // index in the policy's document, or in TopicRights::grants
  bool allowed() const { return reason.empty(); }
};

// decide_topic allocates nothing. Anything it does not understand is denied.
TopicVerdict decide_topic(const TopicRights& rights, const TopicQuestion& question);

// is_valid_grant_filter: a Topic Filter of at most kMaxPolicyFilterLength octets that stays valid below two further
// levels.
bool is_valid_grant_filter(std::string_view filter);

}  // namespace muster
