// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what a policy document says, as people write it and snapshots carry it (docs/policies.md).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

// What a rule allows. A document that has no rule for one of the last three says nothing about it, and then receiving
// follows its subscribe rules, sending a will its publish rules, and retaining is free where publishing is.
enum class PolicyAction : std::uint8_t { kPublish = 1, kSubscribe = 2, kReceive = 3, kRetain = 4, kWill = 5 };
inline constexpr std::array kPolicyActions = {PolicyAction::kPublish, PolicyAction::kSubscribe, PolicyAction::kReceive,
                                              PolicyAction::kRetain, PolicyAction::kWill};
std::string_view to_string(PolicyAction action);
std::optional<PolicyAction> parse_policy_action(std::string_view text);

// Actions as a set.
class PolicyActions {
 public:
  constexpr PolicyActions() = default;
  constexpr explicit PolicyActions(std::uint8_t bits) : bits_(bits) {}
  constexpr void add(PolicyAction action) { bits_ |= bit(action); }
  constexpr bool has(PolicyAction action) const { return (bits_ & bit(action)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr std::uint8_t bits() const { return bits_; }
  friend constexpr bool operator==(PolicyActions, PolicyActions) = default;

 private:
  static constexpr std::uint8_t bit(PolicyAction action) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(action));
  }
  std::uint8_t bits_ = 0;
};

inline constexpr std::uint8_t kAnyQos = 2;
inline constexpr std::uint32_t kAnyPayload = 268'435'455;  // the most that MQTT carries [MQTT5 1.5.5]

struct PolicyRule {
  PolicyAction action = PolicyAction::kPublish;
  std::string filter;              // template; empty (kReceive, kRetain, kWill only): the document allows none of it
  std::uint8_t max_qos = kAnyQos;  // kPublish, kWill, kSubscribe
  std::uint32_t max_payload = kAnyPayload;  // octets; kPublish, kWill, kRetain, kReceive
  friend bool operator==(const PolicyRule&, const PolicyRule&) = default;
};

inline constexpr std::size_t kMaxPolicyRules = 64;
inline constexpr std::size_t kMaxPolicyFilterLength = 512;  // octets

// default_policy_rules is what a device may do where its tenant says nothing else (design.md §4).
std::vector<PolicyRule> default_policy_rules();

// What one device may do in the topic space of another device of its tenant: one line of a registry grant. `filter` is
// below {tenant}/{that device}/, without variables. kSubscribe includes receiving; kRetain goes with kPublish or kWill.
struct GrantRule {
  PolicyActions actions;
  std::string filter;
  std::uint8_t max_qos = kAnyQos;
  std::uint32_t max_payload = kAnyPayload;
  friend bool operator==(const GrantRule&, const GrantRule&) = default;
};

}  // namespace muster
