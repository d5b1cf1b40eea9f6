// SPDX-License-Identifier: Apache-2.0
#include "core/policy.h"

#include <algorithm>
#include <optional>

#include "core/policy_compiler.h"
#include "core/short_text.h"

namespace muster {
namespace {

constexpr std::string_view kSharePrefix = "$share/";

// take_level cuts the first level off `rest`; nullopt when there is none left.
std::optional<std::string_view> take_level(std::optional<std::string_view>& rest) {
  if (!rest) return std::nullopt;
  const std::size_t slash = rest->find('/');
  const std::string_view level = rest->substr(0, slash);
  if (slash == std::string_view::npos) {
    rest.reset();
  } else {
    rest->remove_prefix(slash + 1);
  }
  return level;
}

bool take_value(std::optional<std::string_view>& rest, std::string_view value) {
  if (!rest || value.empty() || !rest->starts_with(value)) return false;
  if (rest->size() == value.size()) {
    rest.reset();
    return true;
  }
  if ((*rest)[value.size()] != '/') return false;
  rest->remove_prefix(value.size() + 1);
  return true;
}

Error refused(std::string_view reason, std::size_t rule, std::string_view filter) {
  return Error{ErrorCode::kInvalidArgument, reason, "rule " + std::to_string(rule) + ": " + std::string(filter)};
}

}  // namespace

// PolicyMatcher compares one topic with rules. What the client asked for is taken apart once: nearly all templates
// start with ${tenant}/${device}/, so that part is compared once and not once for each rule.
class PolicyMatcher {
 public:
  using Segment = Policy::Segment;
  using Level = Policy::Level;
  using Rule = Policy::Rule;

  PolicyMatcher(const Policy& policy, const PolicySubject& subject, std::string_view topic, bool is_filter)
      : policy_(policy), subject_(subject), topic_(topic), is_filter_(is_filter), own_(take_own()) {}

  bool matches(const Rule& rule) const {
    if (rule.own) {
      if (!own_) return false;
      return rule.literal ? matches_tail(rule) : covers(rule, 2, below_);
    }
    if (!is_filter_) return covers(rule, rule.shared ? 1 : 0, topic_);
    if (topic_.starts_with(kSharePrefix) != rule.shared) return false;
    return covers(rule, 0, rule.shared ? topic_.substr(kSharePrefix.size()) : topic_);
  }

 private:
  // True where the topic starts with the device's own two levels; below_ is then what follows them.
  bool take_own() {
    const std::size_t tenant = subject_.tenant.size();
    const std::size_t both = tenant + 1 + subject_.device.size();
    if (tenant == 0 || subject_.device.empty() || topic_.size() < both || topic_[tenant] != '/') return false;
    if (topic_.size() > both && topic_[both] != '/') return false;
    if (!equal_text(topic_.substr(0, tenant), subject_.tenant)) return false;
    if (!equal_text(topic_.substr(tenant + 1, subject_.device.size()), subject_.device)) return false;
    if (topic_.size() > both) below_ = topic_.substr(both + 1);
    return true;
  }

  // Text that is equal holds no wildcard, so this is right for names and filters.
  bool matches_tail(const Rule& rule) const {
    if (!rule.has_tail) return rule.rest || !below_;
    if (!below_) return false;
    const std::string_view tail{rule.tail.data(), rule.tail_length};
    if (below_->size() < tail.size() || !equal_text(below_->substr(0, tail.size()), tail)) return false;
    return below_->size() == tail.size() || (rule.rest && (*below_)[tail.size()] == '/');
  }

  // Compares the levels from `first` on with `rest`; nullopt: no level is left.
  bool covers(const Rule& rule, std::size_t first, std::optional<std::string_view> rest) const {
    for (const Level& level : std::span(policy_.levels_).subspan(rule.first + first, rule.count - first)) {
      if (level.kind == Level::Kind::kRest) return true;
      if (level.count == 1) {
        const auto value = only_value(policy_.segments_[level.first]);
        if (value) {
          if (!take_value(rest, *value)) return false;
          continue;
        }
      }
      const auto text = take_level(rest);
      if (!text || *text == "#") return false;
      if (level.kind == Level::Kind::kAnyLevel) continue;
      // A value that happens to be "+" is text: it never stands for the client's wildcard.
      const auto segments = std::span(policy_.segments_).subspan(level.first, level.count);
      if (*text == "+" || !matches_level(segments, *text)) return false;
    }
    return !rest;
  }

  // The text that a level of one segment must equal, where that is one text: most levels of most policies, so the
  // decision compares without looking for the next '/'.
  std::optional<std::string_view> only_value(const Segment& segment) const {
    switch (segment.kind) {
      case Segment::Kind::kLiteral: return policy_.text(segment.offset, segment.length);
      case Segment::Kind::kTenant: return subject_.tenant;
      case Segment::Kind::kDevice: return subject_.device;
      case Segment::Kind::kSerial: return subject_.certificate_serial;
      case Segment::Kind::kGroup:
      case Segment::Kind::kLabel: return std::nullopt;
    }
    return std::nullopt;
  }

  std::string_view label(const Segment& segment) const {
    const std::string_view name = policy_.text(segment.offset, segment.length);
    const auto found = std::lower_bound(subject_.labels.begin(), subject_.labels.end(), name,
                                        [](const auto& each, const auto& wanted) { return each.first < wanted; });
    return found == subject_.labels.end() || found->first != name ? std::string_view() : found->second;
  }

  bool matches_level(std::span<const Segment> segments, std::string_view text) const {
    if (segments.empty()) return text.empty();
    const auto rest_matches = [&](std::string_view value) {
      return !value.empty() && text.starts_with(value) && matches_level(segments.subspan(1), text.substr(value.size()));
    };
    switch (segments.front().kind) {
      case Segment::Kind::kGroup: return std::any_of(subject_.groups.begin(), subject_.groups.end(), rest_matches);
      case Segment::Kind::kLabel: return rest_matches(label(segments.front()));
      default: return rest_matches(*only_value(segments.front()));
    }
  }

  const Policy& policy_;
  const PolicySubject& subject_;
  std::string_view topic_;
  std::optional<std::string_view> below_;  // what follows the device's own two levels, where own_ and there is more
  bool is_filter_;
  bool own_;
};

Result<Policy> Policy::compile(std::span<const PolicyRule> rules, const Limits& limits) {
  if (rules.size() > kMaxPolicyRules) {
    return Error{ErrorCode::kInvalidArgument, "policy.too_many_rules", std::to_string(rules.size())};
  }
  PolicyCompiler compiler;
  for (const std::size_t i : PolicyCompiler::order_of(rules)) {
    const std::string_view reason = compiler.add(rules[i], i);
    if (!reason.empty()) return refused(reason, i, rules[i].filter);
  }
  return compiler.finish(limits);
}

Policy Policy::compile_stored(std::span<const PolicyRule> rules, const Limits& limits) {
  PolicyCompiler compiler;
  if (rules.size() <= kMaxPolicyRules) {
    for (const std::size_t i : PolicyCompiler::order_of(rules)) (void)compiler.add(rules[i], i);
  }
  return compiler.finish(limits);
}

PolicyAction Policy::governing(PolicyAction action) const {
  switch (action) {
    case PolicyAction::kReceive: return spoken_of_.has(action) ? action : PolicyAction::kSubscribe;
    case PolicyAction::kWill: return spoken_of_.has(action) ? action : PolicyAction::kPublish;
    case PolicyAction::kPublish:
    case PolicyAction::kSubscribe:
    case PolicyAction::kRetain: return action;
  }
  return action;
}

PolicyMatch Policy::find(PolicyAction action, const PolicySubject& subject, std::string_view topic,
                         const Carried& carried) const {
  using Kind = PolicyMatch::Kind;
  if (action == PolicyAction::kRetain && !spoken_of_.has(action)) return {Kind::kAllowed, PolicyMatch::kNoRule};
  const PolicyMatcher matcher(*this, subject, topic, action == PolicyAction::kSubscribe);
  PolicyMatch best;
  for (const Rule& rule : rules_of(governing(action))) {
    if (!matcher.matches(rule)) continue;
    // The QoS of a delivery is not the one that the message was published with.
    const bool too_high = carried.qos > rule.max_qos && action != PolicyAction::kReceive;
    if (!too_high && carried.payload <= rule.max_payload) return {Kind::kAllowed, rule.index};
    const Kind kind = too_high ? Kind::kQosTooHigh : Kind::kPayloadTooLarge;
    if (kind > best.kind) best = {kind, rule.index};
  }
  return best;
}

std::string_view to_string(PolicyAction action) {
  switch (action) {
    case PolicyAction::kPublish: return "publish";
    case PolicyAction::kSubscribe: return "subscribe";
    case PolicyAction::kReceive: return "receive";
    case PolicyAction::kRetain: return "retain";
    case PolicyAction::kWill: return "will";
  }
  return "";
}

std::optional<PolicyAction> parse_policy_action(std::string_view text) {
  for (const PolicyAction action : kPolicyActions) {
    if (to_string(action) == text) return action;
  }
  return std::nullopt;
}

std::vector<PolicyRule> default_policy_rules() {
  std::vector<PolicyRule> rules;
  for (const char* last : {"telemetry", "events", "state", "responses"}) {
    rules.push_back({PolicyAction::kPublish, std::string("${tenant}/${device}/") + last + "/#"});
  }
  for (const char* last : {"commands", "config"}) {
    rules.push_back({PolicyAction::kSubscribe, std::string("${tenant}/${device}/") + last + "/#"});
  }
  return rules;
}

}  // namespace muster
