// SPDX-License-Identifier: Apache-2.0
//
// Purpose: policies are allow-lists of topic-filter templates; this is the one piece of code that decides whether a
// device may publish, subscribe or receive. The server checks documents with it, the broker plugin decides with it.
//
// A template is a Topic Filter whose levels may hold ${tenant}, ${device}, ${group} (any group of the device matches)
// and
// ${label.NAME}. A variable that does not resolve matches nothing; a value is compared as text and never parsed as a
// wildcard. Nothing matches a topic whose first level is not the device's own tenant, unless it starts with '$' and the
// template names that first level literally. `$share/…` is allowed only where a template starts with "$share/".
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"

namespace muster {

enum class PolicyAction : std::uint8_t { kPublish = 1, kSubscribe = 2 };

struct PolicyRule {
  PolicyAction action = PolicyAction::kPublish;
  std::string filter;  // template
  friend bool operator==(const PolicyRule&, const PolicyRule&) = default;
};

inline constexpr std::size_t kMaxPolicyRules = 64;
inline constexpr std::size_t kMaxPolicyFilterLength = 512;  // octets

// PolicySubject is who asks. Views: what they view must outlive the call.
struct PolicySubject {
  std::string_view tenant;
  std::string_view device;
  std::span<const std::string_view> groups;
  std::span<const std::pair<std::string_view, std::string_view>> labels;  // sorted by name
};

// Policy is a compiled document. Immutable, thread-safe; deciding does not allocate.
class Policy {
 public:
  // Reasons: policy.too_many_rules, policy.filter_invalid, policy.variable_unknown, policy.reaches_beyond_tenant (the
  // first level is neither ${tenant} nor a literal '$' level).
  static Result<Policy> compile(std::span<const PolicyRule> rules);

  // `topic` is a Topic Name.
  bool allows_publish(const PolicySubject& subject, std::string_view topic) const;
  // `filter` is what the client asked for, "$share/…" included: allowed when one rule covers all of it.
  bool allows_subscribe(const PolicySubject& subject, std::string_view filter) const;
  // A message may be delivered when a subscribe rule matches its Topic Name.
  bool allows_receive(const PolicySubject& subject, std::string_view topic) const;

 private:
  struct Segment {
    enum class Kind : std::uint8_t { kLiteral, kTenant, kDevice, kGroup, kLabel } kind;
    std::string text;  // literal text or label name
  };
  struct Level {
    enum class Kind : std::uint8_t { kSegments, kAnyLevel, kRest } kind;
    std::vector<Segment> segments;
  };
  struct Rule {
    PolicyAction action;
    std::vector<Level> levels;
    bool shared = false;  // template starts with "$share/"
  };
  friend class PolicyMatcher;
  std::vector<Rule> rules_;
};

// default_policy_rules is what a device may do where its tenant says nothing else (design.md §4).
std::vector<PolicyRule> default_policy_rules();

}  // namespace muster
