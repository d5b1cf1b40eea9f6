// SPDX-License-Identifier: Apache-2.0
#include "core/policy.h"

#include <algorithm>
#include <optional>

#include "core/encoding.h"
#include "core/topic_filter.h"

namespace muster {
namespace {

constexpr std::string_view kSharePrefix = "$share/";
constexpr std::string_view kLabelPrefix = "label.";

Error filter_invalid(std::string_view filter) {
  return Error{ErrorCode::kInvalidArgument, "policy.filter_invalid", std::string(filter)};
}

Error variable_unknown(std::string_view filter) {
  return Error{ErrorCode::kInvalidArgument, "policy.variable_unknown", std::string(filter)};
}

bool has_forbidden_octet(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7f;
  });
}

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

}  // namespace

// PolicyMatcher compiles templates and compares their levels with what a client asked for.
class PolicyMatcher {
 public:
  using Segment = Policy::Segment;
  using Level = Policy::Level;
  using Rule = Policy::Rule;

  static Result<Rule> compile(const PolicyRule& source) {
    const std::string_view filter = source.filter;
    if (filter.empty() || filter.size() > kMaxPolicyFilterLength || has_forbidden_octet(filter) || !is_utf8(filter)) {
      return filter_invalid(filter);
    }
    Rule rule{source.action, {}, filter.starts_with(kSharePrefix)};
    if (rule.shared && source.action != PolicyAction::kSubscribe) return filter_invalid(filter);
    std::optional<std::string_view> rest = rule.shared ? filter.substr(kSharePrefix.size()) : filter;
    while (const auto text = take_level(rest)) {
      MUSTER_TRY(Level level, compile_level(*text, filter));
      if (level.kind == Level::Kind::kRest && rest) return filter_invalid(filter);
      rule.levels.push_back(std::move(level));
    }
    if (rule.levels.size() > static_cast<std::size_t>(kMaxTopicLevels)) return filter_invalid(filter);
    MUSTER_TRY_VOID(check_reach(rule, filter));
    return rule;
  }

  // What a client asked for. Nearly all templates start with ${tenant}/${device}/, so that part is compared once and
  // not once for each rule.
  struct Asked {
    Asked(const PolicySubject& who, std::string_view what)
        : subject(who), text(what), below_device(what), own(take_own(who, below_device)) {}
    const PolicySubject& subject;
    std::string_view text;
    std::optional<std::string_view> below_device;  // what follows the device's own two levels, where `own`
    bool own;
  };

  // The levels of a shared rule start with the share name; a Topic Name is compared with what follows.
  static bool matches_name(const Rule& rule, const Asked& name) {
    return rule.shared ? covers(rule, 1, name.subject, name.text) : covers_plain(rule, name);
  }

  static bool covers_filter(const Rule& rule, const Asked& filter) {
    const bool shared = filter.text.starts_with(kSharePrefix);
    if (shared != rule.shared) return false;
    if (!shared) return covers_plain(rule, filter);
    return covers(rule, 0, filter.subject, filter.text.substr(kSharePrefix.size()));
  }

 private:
  static bool take_own(const PolicySubject& subject, std::optional<std::string_view>& rest) {
    return take_value(rest, subject.tenant) && take_value(rest, subject.device);
  }

  static bool is_only(const Level& level, Segment::Kind kind) {
    return level.kind == Level::Kind::kSegments && level.segments.size() == 1 && level.segments.front().kind == kind;
  }

  static bool covers_plain(const Rule& rule, const Asked& asked) {
    const bool of_device = rule.levels.size() >= 2 && is_only(rule.levels[0], Segment::Kind::kTenant) &&
                           is_only(rule.levels[1], Segment::Kind::kDevice);
    if (!of_device) return covers(rule, 0, asked.subject, asked.text);
    return asked.own && covers(rule, 2, asked.subject, asked.below_device);
  }

  static Result<Level> compile_level(std::string_view text, std::string_view filter) {
    if (text == "+") return Level{Level::Kind::kAnyLevel, {}};
    if (text == "#") return Level{Level::Kind::kRest, {}};
    Level level{Level::Kind::kSegments, {}};
    while (!text.empty()) {
      const std::size_t open = text.find("${");
      if (open != 0) {
        const std::string_view literal = text.substr(0, open);
        if (literal.find_first_of("+#{}") != std::string_view::npos) return filter_invalid(filter);
        level.segments.push_back({Segment::Kind::kLiteral, std::string(literal)});
        text.remove_prefix(literal.size());
        continue;
      }
      const std::size_t close = text.find('}');
      if (close == std::string_view::npos) return filter_invalid(filter);
      MUSTER_TRY(Segment segment, compile_variable(text.substr(2, close - 2), filter));
      // Two groups in one level would have to be tried in all combinations, on the broker's only thread.
      if (segment.kind == Segment::Kind::kGroup && has_group(level)) return filter_invalid(filter);
      level.segments.push_back(std::move(segment));
      text.remove_prefix(close + 1);
    }
    return level;
  }

  static bool has_group(const Level& level) {
    return std::any_of(level.segments.begin(), level.segments.end(),
                       [](const Segment& segment) { return segment.kind == Segment::Kind::kGroup; });
  }

  static Result<Segment> compile_variable(std::string_view name, std::string_view filter) {
    if (name == "tenant") return Segment{Segment::Kind::kTenant, {}};
    if (name == "device") return Segment{Segment::Kind::kDevice, {}};
    if (name == "group") return Segment{Segment::Kind::kGroup, {}};
    if (!name.starts_with(kLabelPrefix)) return variable_unknown(filter);
    name.remove_prefix(kLabelPrefix.size());
    if (name.empty() || name.find_first_of("+#${") != std::string_view::npos) return variable_unknown(filter);
    return Segment{Segment::Kind::kLabel, std::string(name)};
  }

  static Result<void> check_reach(const Rule& rule, std::string_view filter) {
    const std::size_t first = rule.shared ? 1 : 0;
    if (rule.levels.size() <= first) return filter_invalid(filter);
    if (rule.shared && rule.levels[0].kind != Level::Kind::kAnyLevel && rule.levels[0].segments.empty()) {
      return filter_invalid(filter);
    }
    const Level& level = rule.levels[first];
    if (level.kind == Level::Kind::kSegments && level.segments.size() == 1) {
      const Segment& segment = level.segments[0];
      if (segment.kind == Segment::Kind::kTenant) return {};
      const bool dollar = segment.kind == Segment::Kind::kLiteral && segment.text.starts_with('$');
      if (dollar && !rule.shared && segment.text != "$share") return {};
    }
    return Error{ErrorCode::kInvalidArgument, "policy.reaches_beyond_tenant", std::string(filter)};
  }

  // Compares the levels from `first` on with `rest`; nullopt: no level is left.
  static bool covers(const Rule& rule, std::size_t first, const PolicySubject& subject,
                     std::optional<std::string_view> rest) {
    for (std::size_t i = first; i < rule.levels.size(); ++i) {
      const Level& level = rule.levels[i];
      if (level.kind == Level::Kind::kRest) return true;
      if (level.kind == Level::Kind::kSegments && level.segments.size() == 1) {
        const auto value = only_value(level.segments[0], subject);
        if (value) {
          if (!take_value(rest, *value)) return false;
          continue;
        }
      }
      const auto text = take_level(rest);
      if (!text || *text == "#") return false;
      if (level.kind == Level::Kind::kAnyLevel) continue;
      // A value that happens to be "+" is text: it never stands for the client's wildcard.
      if (*text == "+" || !matches_level(level.segments, subject, *text)) return false;
    }
    return !rest;
  }

  // The text that a level of one segment must equal, where that is one text: most levels of most policies, so the
  // decision compares without looking for the next '/'.
  static std::optional<std::string_view> only_value(const Segment& segment, const PolicySubject& subject) {
    switch (segment.kind) {
      case Segment::Kind::kLiteral: return segment.text;
      case Segment::Kind::kTenant: return subject.tenant;
      case Segment::Kind::kDevice: return subject.device;
      case Segment::Kind::kGroup:
      case Segment::Kind::kLabel: return std::nullopt;
    }
    return std::nullopt;
  }

  static bool take_value(std::optional<std::string_view>& rest, std::string_view value) {
    if (!rest || value.empty() || !rest->starts_with(value)) return false;
    if (rest->size() == value.size()) {
      rest.reset();
      return true;
    }
    if ((*rest)[value.size()] != '/') return false;
    rest->remove_prefix(value.size() + 1);
    return true;
  }

  static bool matches_level(std::span<const Segment> segments, const PolicySubject& subject, std::string_view text) {
    if (segments.empty()) return text.empty();
    const Segment& segment = segments.front();
    const auto rest_matches = [&](std::string_view value) {
      return text.starts_with(value) && matches_level(segments.subspan(1), subject, text.substr(value.size()));
    };
    switch (segment.kind) {
      case Segment::Kind::kLiteral: return rest_matches(segment.text);
      case Segment::Kind::kTenant: return !subject.tenant.empty() && rest_matches(subject.tenant);
      case Segment::Kind::kDevice: return !subject.device.empty() && rest_matches(subject.device);
      case Segment::Kind::kGroup:
        return std::any_of(subject.groups.begin(), subject.groups.end(),
                           [&](std::string_view group) { return !group.empty() && rest_matches(group); });
      case Segment::Kind::kLabel: {
        const auto found = std::lower_bound(subject.labels.begin(), subject.labels.end(), segment.text,
                                            [](const auto& label, const auto& name) { return label.first < name; });
        if (found == subject.labels.end() || found->first != segment.text) return false;
        return !found->second.empty() && rest_matches(found->second);
      }
    }
    return false;
  }
};

Result<Policy> Policy::compile(std::span<const PolicyRule> rules) {
  if (rules.size() > kMaxPolicyRules) {
    return Error{ErrorCode::kInvalidArgument, "policy.too_many_rules", std::to_string(rules.size())};
  }
  Policy policy;
  for (const PolicyRule& source : rules) {
    MUSTER_TRY(Rule rule, PolicyMatcher::compile(source));
    policy.rules_.push_back(std::move(rule));
  }
  return policy;
}

bool Policy::allows_publish(const PolicySubject& subject, std::string_view topic) const {
  const PolicyMatcher::Asked asked(subject, topic);
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    return rule.action == PolicyAction::kPublish && PolicyMatcher::matches_name(rule, asked);
  });
}

bool Policy::allows_subscribe(const PolicySubject& subject, std::string_view filter) const {
  const PolicyMatcher::Asked asked(subject, filter);
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    return rule.action == PolicyAction::kSubscribe && PolicyMatcher::covers_filter(rule, asked);
  });
}

bool Policy::allows_receive(const PolicySubject& subject, std::string_view topic) const {
  const PolicyMatcher::Asked asked(subject, topic);
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    return rule.action == PolicyAction::kSubscribe && PolicyMatcher::matches_name(rule, asked);
  });
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
