// SPDX-License-Identifier: Apache-2.0
//
// The policy compiler and its decisions. Input: lines "p FILTER" or "s FILTER" are rules, "d NAME" the device, "g
// GROUP", "l VALUE" a label called x, "t TOPIC" what is asked about. Oracles: (1) a naive reading of the templates,
// level by level, agrees about every Topic Name; (2) nothing is allowed outside the tenant but by a rule that names a
// '$' level; (3) what may be subscribed to may be received.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/identity.h"
#include "core/policy.h"
#include "core/topic_filter.h"

namespace {

using muster::PolicyAction;
using muster::PolicyRule;

struct Question {
  std::vector<PolicyRule> rules;
  std::string device = "pump";
  std::vector<std::string> groups;
  std::optional<std::string> label;
  std::string topic;
};

Question read(std::string_view input) {
  Question question;
  while (!input.empty()) {
    const std::size_t end = input.find('\n');
    const std::string_view line = input.substr(0, end);
    input = end == std::string_view::npos ? std::string_view() : input.substr(end + 1);
    if (line.size() < 2 || line[1] != ' ') continue;
    const std::string value(line.substr(2));
    switch (line[0]) {
      case 'p': question.rules.push_back({PolicyAction::kPublish, value}); break;
      case 's': question.rules.push_back({PolicyAction::kSubscribe, value}); break;
      case 'd': question.device = value; break;
      case 'g': question.groups.push_back(value); break;
      case 'l': question.label = value; break;
      case 't': question.topic = value; break;
      default: break;
    }
  }
  return question;
}

std::vector<std::string> levels_of(const std::string& text) {
  std::vector<std::string> levels(1);
  for (const char c : text) {
    if (c == '/') {
      levels.emplace_back();
    } else {
      levels.back().push_back(c);
    }
  }
  return levels;
}

// Every text that a level of a template can stand for: one for each group.
std::vector<std::string> expand(const std::string& level, const Question& question) {
  std::vector<std::string> texts = {""};
  for (std::size_t at = 0; at < level.size();) {
    std::vector<std::string> parts;
    if (level.compare(at, 2, "${") != 0) {
      parts.push_back(level.substr(at, 1));
      ++at;
    } else {
      const std::size_t close = level.find('}', at);
      const std::string name = level.substr(at + 2, close - at - 2);
      if (name == "tenant") parts.push_back("acme");
      if (name == "device") parts.push_back(question.device);
      if (name == "group") parts = question.groups;
      const bool has_label = question.label && !question.label->empty();  // an empty value matches nothing
      if (name == "label.x" && has_label) parts.push_back(*question.label);
      at = close + 1;
    }
    std::vector<std::string> longer;
    for (const std::string& text : texts) {
      for (const std::string& part : parts) longer.push_back(text + part);
    }
    texts = std::move(longer);
    if (texts.size() > 4096) return {};
  }
  return texts;
}

bool level_matches(const std::string& level, const std::string& value, const Question& question) {
  const auto texts = expand(level, question);
  return std::ranges::find(texts, value) != texts.end();
}

bool naive(const std::string& filter, const Question& question) {
  const auto levels = levels_of(filter);
  const auto values = levels_of(question.topic);
  if (question.topic.front() == '$' && levels.front().front() != '$') return false;
  if (question.topic.front() != '$' && values.front() != "acme") return false;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (levels[i] == "#") return true;
    if (i >= values.size()) return false;
    if (levels[i] != "+" && !level_matches(levels[i], values[i], question)) return false;
  }
  return levels.size() == values.size();
}

bool is_name(const std::string& text) { return muster::DeviceName::parse(text).ok(); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  const Question question = read({reinterpret_cast<const char*>(data), size});
  const auto policy = muster::Policy::compile(question.rules);
  if (!policy.ok() || !is_name(question.device) || question.groups.size() > 8) return 0;
  if (!std::ranges::all_of(question.groups, is_name)) return 0;
  std::vector<std::string_view> groups(question.groups.begin(), question.groups.end());
  std::ranges::sort(groups);
  std::vector<std::pair<std::string_view, std::string_view>> labels;
  if (question.label) labels.emplace_back("x", *question.label);
  const muster::PolicySubject subject{"acme", question.device, groups, labels};

  const bool is_topic = muster::is_valid_topic_name(question.topic);
  if (is_topic) {
    const bool may_publish = policy->allows_publish(subject, question.topic);
    const bool may_receive = policy->allows_receive(subject, question.topic);
    bool publish = false;
    bool receive = false;
    bool shared = false;
    for (const PolicyRule& rule : question.rules) {
      shared = shared || rule.filter.starts_with("$share/");
      const bool matches = naive(rule.filter, question);
      publish = publish || (rule.action == PolicyAction::kPublish && matches);
      receive = receive || (rule.action == PolicyAction::kSubscribe && matches);
    }
    // A rule for shared subscriptions matches by what follows the share's name, which the oracle does not know.
    if (!shared && (may_publish != publish || may_receive != receive)) std::abort();
    const bool inside = question.topic.starts_with("acme/") || question.topic == "acme" || question.topic[0] == '$';
    if (!inside && (may_publish || may_receive)) std::abort();
    if (policy->allows_subscribe(subject, question.topic) && !may_receive) std::abort();
  }
  (void)policy->allows_subscribe(subject, question.topic);
  return 0;
}
