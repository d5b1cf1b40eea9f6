// SPDX-License-Identifier: Apache-2.0
#include "core/policy_compiler.h"

#include <algorithm>
#include <numeric>

#include "core/encoding.h"
#include "core/topic_filter.h"

namespace muster {
namespace {

constexpr std::string_view kFilterInvalid = "policy.filter_invalid";
constexpr std::string_view kVariableUnknown = "policy.variable_unknown";
constexpr std::string_view kNeverMatches = "policy.never_matches";
constexpr std::string_view kBeyondTenant = "policy.reaches_beyond_tenant";
constexpr std::string_view kOtherDevices = "policy.reaches_other_devices";
constexpr std::string_view kLimitMisplaced = "policy.limit_misplaced";

constexpr std::string_view kSharePrefix = "$share/";
constexpr std::string_view kLabelPrefix = "label.";
constexpr std::size_t kMaxLabelName = 63;

bool has_forbidden_octet(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7f;
  });
}

// As the registry takes them (registry/device_store.h): no device has a label of another name.
bool is_label_name(std::string_view name) {
  const auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= kMaxLabelName && alphanumeric(name[0]) &&
         std::ranges::all_of(name, [&](char c) { return alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

bool may_be_unset(PolicyAction action) {
  return action == PolicyAction::kReceive || action == PolicyAction::kRetain || action == PolicyAction::kWill;
}

bool sends(PolicyAction action) {
  return action == PolicyAction::kPublish || action == PolicyAction::kWill || action == PolicyAction::kRetain;
}

// A message that is delivered has another QoS than the one that the broker shows, and a subscription has no payload.
bool has_room_for_limits(const PolicyRule& rule) {
  const bool qos = rule.action == PolicyAction::kPublish || rule.action == PolicyAction::kWill ||
                   rule.action == PolicyAction::kSubscribe;
  const bool payload = rule.action != PolicyAction::kSubscribe;
  if (rule.max_qos > kAnyQos || rule.max_payload > kAnyPayload) return false;
  return (qos || rule.max_qos == kAnyQos) && (payload || rule.max_payload == kAnyPayload);
}

}  // namespace

std::string_view PolicyCompiler::add(const PolicyRule& source, std::size_t index) {
  policy_.spoken_of_.add(source.action);
  const std::string_view filter = source.filter;
  if (!has_room_for_limits(source)) return kLimitMisplaced;
  if (filter.empty() && may_be_unset(source.action)) return {};
  if (filter.empty() || filter.size() > kMaxPolicyFilterLength || has_forbidden_octet(filter) || !is_utf8(filter)) {
    return kFilterInvalid;
  }
  Rule rule;
  rule.action = source.action;
  rule.max_qos = source.max_qos;
  rule.max_payload = source.max_payload;
  rule.index = static_cast<std::uint16_t>(index);
  const std::size_t levels = policy_.levels_.size();
  const std::size_t segments = policy_.segments_.size();
  const std::size_t text = policy_.text_.size();
  policy_.text_ += filter;
  const std::string_view reason = add_levels(rule, std::string_view(policy_.text_).substr(text));
  if (!reason.empty()) {
    policy_.levels_.resize(levels);
    policy_.segments_.resize(segments);
    policy_.text_.resize(text);
    return reason;
  }
  find_literal_tail(rule);
  policy_.rules_.push_back(rule);
  return {};
}

std::vector<std::size_t> PolicyCompiler::order_of(std::span<const PolicyRule> rules) {
  std::vector<std::size_t> order(rules.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return rules[i].action; });
  return order;
}

Policy PolicyCompiler::finish(const Limits& limits) {
  std::size_t at = 0;
  for (std::size_t action = 0; action < policy_.starts_.size(); ++action) {
    while (at < policy_.rules_.size() && static_cast<std::size_t>(policy_.rules_[at].action) < action) ++at;
    policy_.starts_[action] = static_cast<std::uint16_t>(at);
  }
  policy_.limits_ = limits;
  return std::move(policy_);
}

std::string_view PolicyCompiler::add_levels(Rule& rule, std::string_view filter) {
  rule.shared = filter.starts_with(kSharePrefix);
  if (rule.shared && rule.action != PolicyAction::kSubscribe) return kFilterInvalid;
  rule.first = static_cast<std::uint16_t>(policy_.levels_.size());
  std::string_view rest = rule.shared ? filter.substr(kSharePrefix.size()) : filter;
  for (;;) {
    const std::size_t slash = rest.find('/');
    const std::string_view reason = add_level(rest.substr(0, slash));
    if (!reason.empty()) return reason;
    if (slash == std::string_view::npos) break;
    if (policy_.levels_.back().kind == Level::Kind::kRest) return kFilterInvalid;
    rest.remove_prefix(slash + 1);
  }
  rule.count = static_cast<std::uint16_t>(policy_.levels_.size() - rule.first);
  if (rule.count > kMaxTopicLevels) return kFilterInvalid;
  return check_reach(rule);
}

void PolicyCompiler::add_literal(Segment::Kind kind, std::string_view text) {
  const auto offset = static_cast<std::uint16_t>(text.data() - policy_.text_.data());
  policy_.segments_.push_back({kind, offset, static_cast<std::uint16_t>(text.size())});
}

std::string_view PolicyCompiler::add_level(std::string_view text) {
  const std::size_t first = policy_.segments_.size();
  Level level{Level::Kind::kSegments, static_cast<std::uint16_t>(first), 0};
  if (text == "+" || text == "#") {
    level.kind = text == "+" ? Level::Kind::kAnyLevel : Level::Kind::kRest;
    policy_.levels_.push_back(level);
    return {};
  }
  while (!text.empty()) {
    const std::size_t open = text.find("${");
    if (open != 0) {
      const std::string_view literal = text.substr(0, open);
      if (literal.find_first_of("+#{}") != std::string_view::npos) return kFilterInvalid;
      add_literal(Segment::Kind::kLiteral, literal);
      text.remove_prefix(literal.size());
      continue;
    }
    const std::size_t close = text.find('}');
    if (close == std::string_view::npos) return kFilterInvalid;
    const std::string_view reason = add_variable(text.substr(2, close - 2), first);
    if (!reason.empty()) return reason;
    text.remove_prefix(close + 1);
  }
  level.count = static_cast<std::uint16_t>(policy_.segments_.size() - first);
  policy_.levels_.push_back(level);
  return {};
}

std::string_view PolicyCompiler::add_variable(std::string_view name, std::size_t first_segment) {
  using Kind = Segment::Kind;
  auto& segments = policy_.segments_;
  if (name == "tenant") return segments.push_back({Kind::kTenant, 0, 0}), std::string_view();
  if (name == "device") return segments.push_back({Kind::kDevice, 0, 0}), std::string_view();
  if (name == "cert.serial") return segments.push_back({Kind::kSerial, 0, 0}), std::string_view();
  if (name == "group") {
    // Two groups in one level would have to be tried in all combinations, on the broker's only thread.
    const auto level = std::span(segments).subspan(first_segment);
    if (std::ranges::find(level, Kind::kGroup, &Segment::kind) != level.end()) return kFilterInvalid;
    return segments.push_back({Kind::kGroup, 0, 0}), std::string_view();
  }
  if (!name.starts_with(kLabelPrefix)) return kVariableUnknown;
  name.remove_prefix(kLabelPrefix.size());
  if (!is_label_name(name)) return kVariableUnknown;
  add_literal(Kind::kLabel, name);
  return {};
}

bool PolicyCompiler::is_only(const Level& level, Segment::Kind kind) const {
  return level.kind == Level::Kind::kSegments && level.count == 1 && policy_.segments_[level.first].kind == kind;
}

std::string_view PolicyCompiler::check_reach(const Rule& rule) const {
  const std::size_t at = rule.shared ? 1 : 0;
  if (rule.count <= at) return kFilterInvalid;
  const Level* levels = &policy_.levels_[rule.first];
  if (rule.shared && levels[0].kind == Level::Kind::kSegments && levels[0].count == 0) return kFilterInvalid;
  if (is_only(levels[at], Segment::Kind::kTenant)) return check_device_level(rule, at + 1);
  if (!is_only(levels[at], Segment::Kind::kLiteral) || rule.shared) return kBeyondTenant;
  const Segment& first = policy_.segments_[levels[at].first];
  const std::string_view text = policy_.text(first.offset, first.length);
  if (!text.starts_with('$') || text == "$share") return kBeyondTenant;
  // Nobody publishes to the broker's own topics, whatever a policy says.
  return sends(rule.action) ? kNeverMatches : std::string_view();
}

// One device's way to another's topics is a grant, which names it, stands in the audit and ends with either of them.
std::string_view PolicyCompiler::check_device_level(const Rule& rule, std::size_t at) const {
  if (rule.count <= at) return {};
  const Level& level = policy_.levels_[rule.first + at];
  return level.kind == Level::Kind::kSegments ? std::string_view() : kOtherDevices;
}

// Nearly all rules are ${tenant}/${device}/ and then text: those are compared as one piece.
void PolicyCompiler::find_literal_tail(Rule& rule) {
  const auto levels = std::span(policy_.levels_).subspan(rule.first, rule.count);
  rule.own = !rule.shared && levels.size() >= 2 && is_only(levels[0], Segment::Kind::kTenant) &&
             is_only(levels[1], Segment::Kind::kDevice);
  if (!rule.own) return;
  std::string_view tail = std::string_view(policy_.text_).substr(policy_.text_.rfind("${device}") + 9);
  bool rest = false;
  for (const Level& level : levels.subspan(2)) {
    const bool plain =
        level.kind == Level::Kind::kSegments && (level.count == 0 || is_only(level, Segment::Kind::kLiteral));
    if (!plain && level.kind != Level::Kind::kRest) return;
    rest = !plain;
    rule.has_tail |= plain;
  }
  if (!tail.empty()) tail.remove_prefix(1);
  if (rest) tail.remove_suffix(tail == "#" ? 1 : 2);
  if (tail.size() > rule.tail.size()) return;
  rule.literal = true;
  rule.rest = rest;
  rule.tail_length = static_cast<std::uint8_t>(tail.size());
  std::ranges::copy(tail, rule.tail.begin());
}

}  // namespace muster
