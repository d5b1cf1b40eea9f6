// SPDX-License-Identifier: Apache-2.0
#include "core/policy_check.h"

#include <algorithm>

#include "core/identity.h"
#include "core/policy_compiler.h"

namespace muster {

// PolicyComparison compares the compiled rules of one document with each other, as templates: what a variable will
// stand for is not known.
class PolicyComparison {
 public:
  using Rule = Policy::Rule;
  using Level = Policy::Level;
  using Segment = Policy::Segment;

  explicit PolicyComparison(const Policy& policy) : policy_(policy) {}

  void add_findings(std::vector<PolicyFinding>& findings) const {
    for (const Rule& rule : policy_.rules_) {
      if (never_takes_effect(rule)) {
        findings.push_back({rule.index, "policy.never_matches", true, 0});
        continue;
      }
      if (rule.action == PolicyAction::kSubscribe && policy_.spoken_of_.has(PolicyAction::kReceive) &&
          !meets_any(rule, PolicyAction::kReceive)) {
        findings.push_back({rule.index, "policy.nothing_received", false, 0});
      }
      if (may_name_device(rule)) findings.push_back({rule.index, "policy.may_name_device", false, 0});
      if (const Rule* wider = find_wider(rule)) {
        findings.push_back({rule.index, "policy.rule_shadowed", false, wider->index});
      }
    }
  }

 private:
  // Whoever makes devices, a factory too, chooses their names, groups and labels: one that is called as another device,
  // or as a part of its name, stands for it there. Text that no name can hold keeps the two apart.
  bool may_name_device(const Rule& rule) const {
    const auto levels = topic_levels(rule);
    if (levels.size() < 2 || levels[1].kind != Level::Kind::kSegments || !begins_with_tenant(levels)) return false;
    const auto segments = std::span(policy_.segments_).subspan(levels[1].first, levels[1].count);
    const auto is_text = [](const Segment& segment) { return segment.kind == Segment::Kind::kLiteral; };
    if (std::ranges::all_of(segments, is_text)) return false;  // it names what it names
    if (segments.size() == 1 && segments[0].kind == Segment::Kind::kDevice) return false;
    return std::ranges::all_of(segments, [&](const Segment& segment) {
      const std::string before = &segment == &segments.front() ? "" : "x";
      return !is_text(segment) || DeviceName::parse(before + std::string(text_of(segment))).ok();
    });
  }

  bool begins_with_tenant(std::span<const Level> levels) const {
    return levels[0].kind == Level::Kind::kSegments && levels[0].count == 1 &&
           policy_.segments_[levels[0].first].kind == Segment::Kind::kTenant;
  }

  bool never_takes_effect(const Rule& rule) const {
    if (rule.action == PolicyAction::kReceive) return !meets_any(rule, PolicyAction::kSubscribe);
    if (rule.action != PolicyAction::kRetain) return false;
    return !meets_any(rule, PolicyAction::kPublish) && !meets_any(rule, PolicyAction::kWill);
  }

  bool meets_any(const Rule& rule, PolicyAction action) const {
    return std::ranges::any_of(policy_.rules_of(action), [&](const Rule& other) { return meets(rule, other); });
  }

  // The rule that makes this one needless; of two equal ones the first.
  const Rule* find_wider(const Rule& rule) const {
    for (const Rule& other : policy_.rules_of(rule.action)) {
      if (other.index == rule.index || !covers(other, rule)) continue;
      if (other.index < rule.index || !covers(rule, other)) return &other;
    }
    return nullptr;
  }

  // A share's name is no part of the topics.
  std::span<const Level> topic_levels(const Rule& rule) const {
    const std::size_t skipped = rule.shared ? 1 : 0;
    return std::span(policy_.levels_).subspan(rule.first + skipped, rule.count - skipped);
  }

  // Whether some Topic Name could match both.
  bool meets(const Rule& one, const Rule& other) const {
    const auto a = topic_levels(one);
    const auto b = topic_levels(other);
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
      if (i < a.size() && a[i].kind == Level::Kind::kRest) return true;
      if (i < b.size() && b[i].kind == Level::Kind::kRest) return true;
      if (i >= a.size() || i >= b.size()) return false;
      if (!may_be_equal(a[i], b[i])) return false;
    }
    return true;
  }

  bool may_be_equal(const Level& a, const Level& b) const {
    if (a.kind != Level::Kind::kSegments || b.kind != Level::Kind::kSegments) return true;
    if (a.count > 1 || b.count > 1) return true;
    if (a.count != b.count) return false;  // the empty level is no variable's value
    if (a.count == 0) return true;
    const Segment& x = policy_.segments_[a.first];
    const Segment& y = policy_.segments_[b.first];
    return x.kind != Segment::Kind::kLiteral || y.kind != Segment::Kind::kLiteral || text_of(x) == text_of(y);
  }

  // Whether `wide` allows whatever `narrow` does.
  bool covers(const Rule& wide, const Rule& narrow) const {
    if (wide.shared != narrow.shared || wide.max_qos < narrow.max_qos || wide.max_payload < narrow.max_payload) {
      return false;
    }
    const auto a = std::span(policy_.levels_).subspan(wide.first, wide.count);
    const auto b = std::span(policy_.levels_).subspan(narrow.first, narrow.count);
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (a[i].kind == Level::Kind::kRest) return true;
      if (i >= b.size() || b[i].kind == Level::Kind::kRest) return false;
      if (a[i].kind != Level::Kind::kAnyLevel && !is_same(a[i], b[i])) return false;
    }
    return a.size() == b.size();
  }

  bool is_same(const Level& a, const Level& b) const {
    if (a.kind != b.kind || a.count != b.count) return false;
    for (std::size_t i = 0; i < a.count; ++i) {
      const Segment& x = policy_.segments_[a.first + i];
      const Segment& y = policy_.segments_[b.first + i];
      if (x.kind != y.kind || text_of(x) != text_of(y)) return false;
    }
    return true;
  }

  std::string_view text_of(const Segment& segment) const { return policy_.text(segment.offset, segment.length); }

  const Policy& policy_;
};

std::vector<PolicyFinding> check_policy(std::span<const PolicyRule> rules) {
  if (rules.size() > kMaxPolicyRules) return {{kMaxPolicyRules, "policy.too_many_rules", true, 0}};
  std::vector<PolicyFinding> findings;
  PolicyCompiler compiler;
  for (const std::size_t i : PolicyCompiler::order_of(rules)) {
    const std::string_view reason = compiler.add(rules[i], i);
    if (!reason.empty()) findings.push_back({i, reason, true, 0});
  }
  const Policy policy = compiler.finish({});
  // Where rules were left out, what the others lack says nothing.
  if (findings.empty()) PolicyComparison(policy).add_findings(findings);
  std::ranges::stable_sort(findings, {}, &PolicyFinding::rule);
  return findings;
}

}  // namespace muster
