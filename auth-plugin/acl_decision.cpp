// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/acl_decision.h"

#include "auth-plugin/reasons.h"

namespace muster::auth_plugin {
namespace {

// Names from the principal, which a good standing has found equal to the registry's: they lie nearer than the snapshot.
PolicySubject subject_of(const Session& session) {
  const std::string_view principal = session.principal;
  const std::size_t slash = session.standing.tenant_octets;
  return {principal.substr(0, slash), principal.substr(slash + 1), session.standing.groups, session.standing.labels,
          session.connection.serial};
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

}  // namespace

std::string_view decide_acl(const Session& session, const TopicQuestion& question, UtcTime now) {
  const Standing& standing = session.standing;
  if (standing.generation == 0) return reasons::kSnapshotAbsent;
  if (!standing.device_refusal.empty()) return standing.device_refusal;
  if (asks_for_certificate(session, question.access)) {
    if (!standing.connection_refusal.empty()) return standing.connection_refusal;
    if (now > session.connection.not_after) return reasons::kCertificateExpired;
  }
  if (question.access == AclAccess::kReceive && session.queue_is_foreign) return reasons::kQueuedForAnother;
  return decide_topic({*standing.policy, subject_of(session), standing.grants}, question).reason;
}

}  // namespace muster::auth_plugin
