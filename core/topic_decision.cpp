// SPDX-License-Identifier: Apache-2.0
#include "core/topic_decision.h"

#include <algorithm>
#include <optional>

#include "core/topic_filter.h"

namespace muster {
namespace {

using Kind = PolicyMatch::Kind;
using By = TopicVerdict::By;

constexpr bool is_forbidden(std::uint8_t octet) {
  return (octet < 0x20) | (octet == 0x7f) | (octet == '+') | (octet == '#');
}

// The broker has checked UTF-8 and wildcards; this holds our own limits, on every message: sixteen octets at a time, in
// a form that compilers turn into one instruction for all of them.
bool is_plain(std::string_view topic) {
  constexpr std::size_t kBlock = 16;
  const auto* octet = reinterpret_cast<const std::uint8_t*>(topic.data());
  const auto* const end = octet + topic.size();
  std::uint32_t separators = 0;
  std::uint8_t forbidden = 0;
  for (; end - octet >= static_cast<std::ptrdiff_t>(kBlock); octet += kBlock) {
    std::uint8_t in_block = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      forbidden |= static_cast<std::uint8_t>(is_forbidden(octet[i]));
      in_block += static_cast<std::uint8_t>(octet[i] == '/');
    }
    separators += in_block;
  }
  for (; octet != end; ++octet) {
    forbidden |= static_cast<std::uint8_t>(is_forbidden(*octet));
    separators += *octet == '/' ? 1 : 0;
  }
  return forbidden == 0 && separators < static_cast<std::uint32_t>(kMaxTopicLevels);
}

std::string_view reason_of(Kind kind) {
  switch (kind) {
    case Kind::kNone: return reasons::kNotInPolicy;
    case Kind::kPayloadTooLarge: return reasons::kPayloadTooLarge;
    case Kind::kQosTooHigh: return reasons::kQosNotAllowed;
    case Kind::kAllowed: return {};
  }
  return reasons::kNotInPolicy;
}

// A topic in the topic space of some device of the tenant; nullopt where it is in none.
struct PlaceBelow {
  std::string_view device;
  std::optional<std::string_view> rest;  // nullopt: the topic ends with the device
};
std::optional<PlaceBelow> place_of(std::string_view tenant, std::string_view topic) {
  if (tenant.empty() || topic.size() <= tenant.size() || !topic.starts_with(tenant) || topic[tenant.size()] != '/') {
    return std::nullopt;
  }
  topic.remove_prefix(tenant.size() + 1);
  const std::size_t slash = topic.find('/');
  PlaceBelow place{topic.substr(0, slash), std::nullopt};
  if (slash != std::string_view::npos) place.rest = topic.substr(slash + 1);
  return place;
}

bool grant_matches(const GrantedTopics& grant, const PlaceBelow& place, bool is_filter) {
  if (grant.filter == "#") return true;
  // "#" below the device matches the device's own level too, and nothing narrower covers that.
  if (!place.rest || *place.rest == "#") return false;
  return is_filter ? filter_covers(grant.filter, *place.rest) : filter_matches(grant.filter, *place.rest);
}

struct GrantQuestion {
  PolicyAction action = PolicyAction::kPublish;
  std::string_view topic;
  Carried carried;
  bool retain = false;
};

// The policy's part is done. `nearest` is how far it got.
TopicVerdict look_at_grants(const TopicRights& rights, const GrantQuestion& question, TopicVerdict nearest,
                            Kind nearest_kind) {
  const auto place = place_of(rights.subject.tenant, question.topic);
  if (!place) return nearest;
  for (const auto& grant : std::ranges::equal_range(rights.grants, place->device, {}, &GrantedTopics::device)) {
    const bool subscribing = question.action == PolicyAction::kSubscribe;
    const auto action = question.action == PolicyAction::kReceive ? PolicyAction::kSubscribe : question.action;
    if (!grant.actions.has(action) || !grant_matches(grant, *place, subscribing)) continue;
    const auto index = static_cast<std::uint16_t>(&grant - rights.grants.data());
    const bool too_high = question.carried.qos > grant.max_qos && question.action != PolicyAction::kReceive;
    const bool too_large = question.carried.payload > grant.max_payload;
    const bool may_retain = !question.retain || grant.actions.has(PolicyAction::kRetain);
    if (!too_high && !too_large && may_retain) return {{}, By::kGrant, index};
    const Kind kind = too_high ? Kind::kQosTooHigh : too_large ? Kind::kPayloadTooLarge : Kind::kAllowed;
    if (kind <= nearest_kind) continue;
    nearest = {kind == Kind::kAllowed ? reasons::kRetainNotAllowed : reason_of(kind), By::kGrant, index};
    nearest_kind = kind;
  }
  return nearest;
}

TopicVerdict decide(const TopicRights& rights, const GrantQuestion& question) {
  const PolicyMatch match = rights.policy.find(question.action, rights.subject, question.topic, question.carried);
  TopicVerdict verdict{reason_of(match.kind), match.kind == Kind::kNone ? By::kNothing : By::kPolicy, match.rule};
  if (match.allowed() && question.retain &&
      !rights.policy.find(PolicyAction::kRetain, rights.subject, question.topic, question.carried).allowed()) {
    verdict.reason = reasons::kRetainNotAllowed;
  }
  if (verdict.allowed() || rights.grants.empty()) return verdict;
  return look_at_grants(rights, question, verdict, match.kind);
}

TopicVerdict decide_filter(const TopicRights& rights, const TopicQuestion& question) {
  const auto stripped = strip_share(question.topic);
  if (!stripped || !is_valid_topic_filter(*stripped)) return {reasons::kTopicInvalid};
  return decide(rights, {PolicyAction::kSubscribe, question.topic, {question.carried.qos, 0}, false});
}

// Whether it was published or left as a will, and how large it was, was decided when it came.
TopicVerdict decide_retained(const TopicRights& rights, std::string_view topic) {
  const TopicVerdict published = decide(rights, {PolicyAction::kPublish, topic, {}, true});
  if (published.allowed()) return published;
  const TopicVerdict left = decide(rights, {PolicyAction::kWill, topic, {}, true});
  return left.allowed() ? left : published;
}

}  // namespace

TopicVerdict decide_topic(const TopicRights& rights, const TopicQuestion& question) {
  const std::string_view topic = question.topic;
  if (question.access == TopicAccess::kSubscribe) return decide_filter(rights, question);
  if (topic.empty() || topic.size() > kMaxTopicLength) return {reasons::kTopicInvalid};
  if (question.access == TopicAccess::kReceive) {
    return decide(rights, {PolicyAction::kReceive, topic, question.carried, false});
  }
  // Nobody publishes to the broker's own topics, whatever a tenant's policy says.
  if (topic.front() == '$') return {reasons::kDollarTopic};
  if (!is_plain(topic)) return {reasons::kTopicInvalid};
  switch (question.access) {
    case TopicAccess::kPublish:
      return decide(rights, {PolicyAction::kPublish, topic, question.carried, question.retain});
    case TopicAccess::kWill: return decide(rights, {PolicyAction::kWill, topic, question.carried, question.retain});
    case TopicAccess::kRetained: return decide_retained(rights, topic);
    case TopicAccess::kReceive:
    case TopicAccess::kSubscribe: break;
  }
  return {reasons::kNotInPolicy};
}

bool is_valid_grant_filter(std::string_view filter) {
  if (filter.size() > kMaxPolicyFilterLength || !is_valid_topic_filter(filter)) return false;
  return std::ranges::count(filter, '/') + 3 <= kMaxTopicLevels;
}

}  // namespace muster
