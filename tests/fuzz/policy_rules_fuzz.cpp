// SPDX-License-Identifier: Apache-2.0
//
// Input: lines: action letter and template; topic or filter asked for; group; label's value; then further templates.
// Oracles: (1) what check_policy accepts compiles, and nothing else does; (2) a naive comparison, level by level, with
// the values put in, agrees with the compiled policy; (3) nothing that is allowed lies beyond the tenant or has a
// wildcard where the device's name stands.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/policy.h"
#include "core/policy_check.h"
#include "core/topic_decision.h"

namespace {

using muster::PolicyAction;

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

struct Subject {
  std::string group;
  std::string label;
};

// The text of a level with its values put in; nullopt where one of them has none.
std::optional<std::string> filled(std::string level, const Subject& who) {
  const std::pair<const char*, std::string> values[] = {{"${tenant}", "acme"},
                                                        {"${device}", "d1"},
                                                        {"${group}", who.group},
                                                        {"${cert.serial}", "0a1b"},
                                                        {"${label.site}", who.label}};
  std::string out;
  while (!level.empty()) {
    const std::size_t open = level.find("${");
    out += level.substr(0, open);
    if (open == std::string::npos) return out;
    level.erase(0, open);
    const std::string name = level.substr(0, level.find('}') + 1);
    level.erase(0, name.size());
    std::string value;  // any other label has none
    for (const auto& [variable, text] : values) {
      if (name == variable) value = text;
    }
    if (value.empty()) return std::nullopt;
    out += value;
  }
  return out;
}

bool naive(const std::vector<std::string>& pattern, const std::vector<std::string>& asked, const Subject& who,
           bool is_filter) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == "#") return true;
    if (i >= asked.size() || (is_filter && asked[i] == "#")) return false;
    if (!is_filter && asked[i] == "#") return false;
    if (pattern[i] == "+") continue;
    if (asked[i] == "+") return false;
    const auto text = filled(pattern[i], who);
    if (!text || *text != asked[i]) return false;
  }
  return pattern.size() == asked.size();
}

bool oracle(PolicyAction action, const std::string& filter, const std::string& asked, const Subject& who) {
  const bool is_filter = action == PolicyAction::kSubscribe;
  const bool rule_shared = filter.starts_with("$share/");
  auto pattern = split(filter, '/');
  auto levels = split(asked, '/');
  if (is_filter && rule_shared != asked.starts_with("$share/")) return false;
  if (rule_shared) pattern.erase(pattern.begin());
  if (is_filter && rule_shared) levels.erase(levels.begin());
  return naive(pattern, levels, who, is_filter);
}

PolicyAction action_of(char letter) {
  switch (letter) {
    case 's': return PolicyAction::kSubscribe;
    case 'r': return PolicyAction::kReceive;
    case 't': return PolicyAction::kRetain;
    case 'w': return PolicyAction::kWill;
    default: return PolicyAction::kPublish;
  }
}

void check_reach(PolicyAction action, const std::string& asked) {
  auto levels = split(asked, '/');
  if (asked.starts_with("$share/") && action == PolicyAction::kSubscribe)
    levels.erase(levels.begin(), levels.begin() + 2);
  if (levels.empty() || levels[0].starts_with('$')) return;
  if (levels[0] != "acme") std::abort();
  if (levels.size() > 1 && (levels[1] == "+" || levels[1] == "#")) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto lines = split({reinterpret_cast<const char*>(data), size}, '\n');
  if (lines.size() < 4 || lines[0].empty()) return 0;
  const PolicyAction action = action_of(lines[0][0]);
  std::vector<muster::PolicyRule> rules = {{action, lines[0].substr(1)}};
  for (std::size_t i = 4; i < lines.size(); ++i) {
    if (!lines[i].empty()) rules.push_back({action_of(lines[i][0]), lines[i].substr(1)});
  }
  const auto compiled = muster::Policy::compile(rules);
  bool refused = false;
  for (const auto& finding : muster::check_policy(rules)) {
    refused = refused || (finding.refuses && finding.reason != "policy.never_matches");
  }
  // Rules that compile can still be pointless beside the others.
  if (refused && compiled.ok()) std::abort();
  const muster::Policy policy = muster::Policy::compile_stored(rules);
  const Subject who{lines[2], lines[3]};
  const std::vector<std::string_view> groups = {who.group};
  const std::vector<std::pair<std::string_view, std::string_view>> labels = {{"site", who.label}};
  const muster::PolicySubject subject{"acme", "d1", groups, labels, "0a1b"};
  const std::string& asked = lines[1];
  const bool allowed = policy.find(action, subject, asked).allowed();
  (void)muster::decide_topic({policy, subject, {}}, {muster::TopicAccess::kSubscribe, asked});
  (void)muster::decide_topic({policy, subject, {}}, {muster::TopicAccess::kPublish, asked});

  const std::vector<muster::PolicyRule> alone = {rules[0]};
  const auto one = muster::Policy::compile(alone);
  if (one.ok() && !rules[0].filter.empty()) {
    const bool matched = one->find(action, subject, asked).allowed();
    if (matched != oracle(action, rules[0].filter, asked, who)) std::abort();
    if (matched) check_reach(action, asked);
  }
  if (rules.size() == 1 && one.ok() && allowed != one->find(action, subject, asked).allowed()) std::abort();
  return 0;
}
