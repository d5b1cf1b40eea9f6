// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/acl_decision.h"

#include "auth-plugin/reasons.h"
#include "core/policy.h"
#include "core/topic_filter.h"

namespace muster::auth_plugin {
namespace {

PolicySubject subject_of(const Standing& standing) {
  return {standing.tenant_name, standing.device.name, standing.device.groups, standing.device.labels};
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

std::string_view decide_filter(const Standing& standing, std::string_view filter) {
  const auto stripped = strip_share(filter);
  if (!stripped || !is_valid_topic_filter(*stripped)) return reasons::kTopicInvalid;
  return standing.device.policy->allows_subscribe(subject_of(standing), filter) ? std::string_view()
                                                                                : reasons::kNotInPolicy;
}

// The broker has checked UTF-8 and wildcards; this holds our own limits in one pass, on every message.
bool is_plain(std::string_view topic) {
  int levels = 1;
  for (const char c : topic) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f || c == '+' || c == '#') return false;
    levels += c == '/';
  }
  return levels <= kMaxTopicLevels;
}

std::string_view decide_name(const Standing& standing, AclAccess access, std::string_view topic) {
  if (topic.empty() || topic.size() > kMaxTopicLength) return reasons::kTopicInvalid;
  const PolicySubject subject = subject_of(standing);
  if (access == AclAccess::kReceive) {
    return standing.device.policy->allows_receive(subject, topic) ? std::string_view() : reasons::kNotInPolicy;
  }
  // Nobody publishes to the broker's own topics, whatever a tenant's policy says.
  if (topic.front() == '$') return reasons::kDollarTopic;
  if (!is_plain(topic)) return reasons::kTopicInvalid;
  return standing.device.policy->allows_publish(subject, topic) ? std::string_view() : reasons::kNotInPolicy;
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
  return access == AclAccess::kSubscribe ? decide_filter(standing, topic) : decide_name(standing, access, topic);
}

}  // namespace muster::auth_plugin
