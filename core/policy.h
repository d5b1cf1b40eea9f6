// SPDX-License-Identifier: Apache-2.0
//
// Purpose: policies are allow-lists of topic-filter templates; this is the one piece of code that decides whether one
// lets a device publish, subscribe, receive, retain or leave a will. The server checks documents with it, the broker
// plugin decides with it (through core/topic_decision.h).
//
// A template is a Topic Filter whose levels may hold ${tenant}, ${device}, ${group} (any group of the device matches),
// ${label.NAME} and ${cert.serial} (of the certificate that the device connected with, lower-case hexadecimal). A
// variable that does not resolve matches nothing; a value is compared as text and never parsed as a wildcard. Nothing
// matches a topic whose first level is not the device's own tenant, unless it starts with '$' and the template names
// that first level literally, and no wildcard stands where the device's name does: whoever may touch another device's
// topics has a grant (core/topic_decision.h). `$share/…` is allowed only where a template starts with "$share/".
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/limits.h"
#include "core/policy_document.h"
#include "core/result.h"

namespace muster {

// PolicySubject is who asks. Views: what they view must outlive the call.
struct PolicySubject {
  std::string_view tenant;
  std::string_view device;
  std::span<const std::string_view> groups;
  std::span<const std::pair<std::string_view, std::string_view>> labels;  // sorted by name
  std::string_view certificate_serial = {};                               // empty: not known, matches nothing
};

// What is carried under a topic: limits of a rule are compared with it.
struct Carried {
  std::uint8_t qos = 0;
  std::uint32_t payload = 0;  // octets
};

// How far a topic got in a list of rules: the best of all rules.
struct PolicyMatch {
  enum class Kind : std::uint8_t { kNone, kPayloadTooLarge, kQosTooHigh, kAllowed };  // from worst to best
  static constexpr std::uint16_t kNoRule = 0xFFFF;  // allowed since the document has no rule for this action
  Kind kind = Kind::kNone;
  std::uint16_t rule = kNoRule;  // index in the document
  bool allowed() const { return kind == Kind::kAllowed; }
};

// Policy is a compiled document. Immutable, thread-safe; deciding does not allocate.
class Policy {
 public:
  // Reasons: policy.too_many_rules and those of check_policy (core/policy_check.h) that one rule by itself can have;
  // `detail` names the rule.
  static Result<Policy> compile(std::span<const PolicyRule> rules, const Limits& limits = {});
  // For documents that were accepted once: a rule that is refused by now matches nothing, and the others keep their
  // meaning. More rules than a document may have: none of them does.
  static Policy compile_stored(std::span<const PolicyRule> rules, const Limits& limits = {});

  // `topic` is a valid Topic Name, for kSubscribe what the client asked for, "$share/…" included: allowed when one rule
  // covers all of it. What the document has no rules for follows PolicyAction's comment.
  PolicyMatch find(PolicyAction action, const PolicySubject& subject, std::string_view topic,
                   const Carried& carried = {}) const;

  bool allows_publish(const PolicySubject& subject, std::string_view topic) const {
    return find(PolicyAction::kPublish, subject, topic).allowed();
  }
  bool allows_subscribe(const PolicySubject& subject, std::string_view filter) const {
    return find(PolicyAction::kSubscribe, subject, filter).allowed();
  }
  bool allows_receive(const PolicySubject& subject, std::string_view topic) const {
    return find(PolicyAction::kReceive, subject, topic).allowed();
  }

  // Of each device that has this policy.
  const Limits& limits() const { return limits_; }
  // Where the rules lie, for who wants them fetched into the processor's cache before they are asked.
  const void* rules_address() const { return rules_.data(); }

 private:
  friend class PolicyCompiler;
  friend class PolicyMatcher;
  friend class PolicyComparison;

  struct Segment {
    enum class Kind : std::uint8_t { kLiteral, kTenant, kDevice, kGroup, kLabel, kSerial } kind;
    std::uint16_t offset = 0;  // in text_: the literal, or the label's name
    std::uint16_t length = 0;
    friend bool operator==(const Segment&, const Segment&) = default;
  };
  struct Level {
    enum class Kind : std::uint8_t { kSegments, kAnyLevel, kRest } kind;
    std::uint16_t first = 0;  // in segments_
    std::uint16_t count = 0;
  };
  // A cache line: a decision reads no more of most rules.
  struct alignas(64) Rule {
    PolicyAction action = PolicyAction::kPublish;
    std::uint8_t max_qos = kAnyQos;
    bool shared = false;   // the template starts with "$share/"
    bool own = false;      // it starts with ${tenant}/${device}
    bool literal = false;  // own, and what follows is text alone, with or without '#' at its end:
    bool rest = false;     //   with '#'
    bool has_tail = false;
    std::uint8_t tail_length = 0;
    std::array<char, 40> tail{};  // the text; a longer one is compared level by level
    std::uint16_t index = 0;
    std::uint16_t first = 0;  // in levels_
    std::uint16_t count = 0;
    std::uint32_t max_payload = kAnyPayload;
  };
  static_assert(sizeof(Rule) == 64);

  std::string_view text(std::uint16_t offset, std::uint16_t length) const {
    return std::string_view(text_).substr(offset, length);
  }
  std::span<const Rule> rules_of(PolicyAction action) const {
    const auto a = static_cast<std::size_t>(action);
    return std::span(rules_).subspan(starts_[a], std::size_t{starts_[a + 1]} - starts_[a]);
  }
  // Which rules answer for an action.
  PolicyAction governing(PolicyAction action) const;

  std::vector<Rule> rules_;                // by action, then as in the document
  std::array<std::uint16_t, 7> starts_{};  // where an action's rules start in rules_, by PolicyAction
  PolicyActions spoken_of_;                // what the document has rules for
  std::vector<Level> levels_;
  std::vector<Segment> segments_;
  std::string text_;
  Limits limits_;
};

}  // namespace muster
