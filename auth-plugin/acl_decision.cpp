// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/acl_decision.h"

#include <array>
#include <cstdint>

#include "auth-plugin/reasons.h"
#include "core/policy.h"
#include "core/topic_filter.h"

namespace muster::auth_plugin {
namespace {

// Names from the principal, which a good standing has found equal to the registry's: they lie nearer than the snapshot.
PolicySubject subject_of(const Session& session) {
  const std::string_view principal = session.principal;
  const std::size_t slash = session.standing.tenant_octets;
  return {principal.substr(0, slash), principal.substr(slash + 1), session.standing.groups, session.standing.labels};
}

// An offline device may renew its certificate before it comes back, so what is queued for it asks for the device only.
bool asks_for_certificate(const Session& session, AclAccess access) {
  switch (access) {
    case AclAccess::kPublish:
    case AclAccess::kWill:
    case AclAccess::kSubscribe: return true;
    case AclAccess::kReceive: return session.online;
    case AclAccess::kRetained: return false;
  }
  return true;
}

std::string_view decide_filter(const Session& session, std::string_view filter) {
  const auto stripped = strip_share(filter);
  if (!stripped || !is_valid_topic_filter(*stripped)) return reasons::kTopicInvalid;
  const bool allowed = session.standing.policy->allows_subscribe(subject_of(session), filter);
  return allowed ? std::string_view() : reasons::kNotInPolicy;
}

constexpr std::uint32_t kForbidden = 1U << 16;  // more than all separators of a topic together

// What each octet adds to a topic's sum: 1 for a level separator, far too much for what may not stand in one.
constexpr std::array<std::uint32_t, 256> topic_weights() {
  std::array<std::uint32_t, 256> weights{};
  for (std::size_t octet = 0; octet < 0x20; ++octet) weights[octet] = kForbidden;
  for (const char octet : {'\x7f', '+', '#'}) weights[static_cast<unsigned char>(octet)] = kForbidden;
  weights['/'] = 1;
  return weights;
}

// The broker has checked UTF-8 and wildcards; this holds our own limits, on every message, without a branch an octet.
bool is_plain(std::string_view topic) {
  static constexpr auto kWeights = topic_weights();
  std::uint32_t sum = 0;
  for (const char c : topic) sum += kWeights[static_cast<unsigned char>(c)];
  return sum < static_cast<std::uint32_t>(kMaxTopicLevels);
}

std::string_view decide_name(const Session& session, AclAccess access, std::string_view topic) {
  if (topic.empty() || topic.size() > kMaxTopicLength) return reasons::kTopicInvalid;
  const PolicySubject subject = subject_of(session);
  const Policy& policy = *session.standing.policy;
  if (access == AclAccess::kReceive) {
    return policy.allows_receive(subject, topic) ? std::string_view() : reasons::kNotInPolicy;
  }
  // Nobody publishes to the broker's own topics, whatever a tenant's policy says.
  if (topic.front() == '$') return reasons::kDollarTopic;
  if (!is_plain(topic)) return reasons::kTopicInvalid;
  return policy.allows_publish(subject, topic) ? std::string_view() : reasons::kNotInPolicy;
}

}  // namespace

std::string_view decide_acl(const Session& session, AclAccess access, std::string_view topic, UtcTime now) {
  const Standing& standing = session.standing;
  if (standing.generation == 0) return reasons::kSnapshotAbsent;
  if (!standing.device_refusal.empty()) return standing.device_refusal;
  if (asks_for_certificate(session, access)) {
    if (!standing.connection_refusal.empty()) return standing.connection_refusal;
    if (now > session.connection.not_after) return reasons::kCertificateExpired;
  }
  if (access == AclAccess::kReceive && session.queue_is_foreign) return reasons::kQueuedForAnother;
  return access == AclAccess::kSubscribe ? decide_filter(session, topic) : decide_name(session, access, topic);
}

}  // namespace muster::auth_plugin
