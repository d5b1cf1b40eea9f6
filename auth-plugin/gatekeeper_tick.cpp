// SPDX-License-Identifier: Apache-2.0
//
// The gatekeeper's part between two rounds of the broker's loop: who must go, goes. Kicks by username reach connected
// clients only: kicking an offline client corrupts the broker's memory (2.0.11).
#include <algorithm>

#include "auth-plugin/gatekeeper.h"
#include "auth-plugin/reasons.h"

namespace muster::auth_plugin {
namespace {

constexpr std::chrono::milliseconds kRecheckBudget{2};  // devices wait while this runs
// A kick compares the username of every connection; more of them at once end through their sockets.
constexpr std::size_t kMaxKicksAtOnce = 64;

}  // namespace

void Gatekeeper::tick() {
  reloading_ = false;
  if (!fresh_.empty()) {
    for (const auto& session : fresh_) session->queue_is_foreign = false;
    fresh_.clear();
  }
  if (parts_.identity.recheck_pending()) {
    queue_rechecks();
    work_off_rechecks();
    if (rechecks_.empty() && !topics_.has_owners_to_look_at()) parts_.identity.recheck_done();
  }
  desk_.tick();
  cut_expired();
}

void Gatekeeper::queue_rechecks() {
  const Recheck recheck = parts_.identity.take_recheck();
  topics_.look_for_gone_owners(recheck);
  if (recheck.everything) {
    const auto all = sessions_.online_sessions();
    rechecks_.assign(all.begin(), all.end());
    return;
  }
  for (const DeviceId& device : recheck.devices) {
    if (auto session = sessions_.find_device(device)) rechecks_.push_back(std::move(session));
  }
  if (recheck.tenants.empty()) return;
  for (auto& session : sessions_.online_sessions()) {
    if (std::ranges::find(recheck.tenants, session->tenant_id) != recheck.tenants.end()) {
      rechecks_.push_back(std::move(session));
    }
  }
}

// Who must go comes first.
void Gatekeeper::work_off_rechecks() {
  const auto end = std::chrono::steady_clock::now() + kRecheckBudget;
  while (!rechecks_.empty()) {
    const auto session = std::move(rechecks_.front());
    rechecks_.pop_front();
    recheck(session);
    if (std::chrono::steady_clock::now() >= end) return;
  }
  while (topics_.has_owners_to_look_at()) {
    topics_.look_at_owner();
    if (std::chrono::steady_clock::now() >= end) return;
  }
}

void Gatekeeper::recheck(const std::shared_ptr<Session>& session) {
  if (!session->online) return;
  topics_.refresh_standing(*session);
  const std::string_view refusal = session->standing.connection_refusal;
  if (!refusal.empty()) {
    cut(session, refusal, Will::kSuppress);
  } else if (!topics_.still_allows_subscriptions(*session)) {
    session->subscriptions.clear();
    cut(session, reasons::kPolicyChanged, Will::kSend);
  }
}

// notAfter is the last second of validity [RFC5280 4.1.2.5].
void Gatekeeper::cut_expired() {
  const UtcTime now = parts_.clock.now();
  if (now == last_deadline_look_) return;
  last_deadline_look_ = now;
  while (!deadlines_.empty() && now > deadlines_.top().not_after) {
    const Deadline deadline = deadlines_.top();
    deadlines_.pop();
    const auto session = deadline.session.lock();
    const bool same = session && session->online && session->connection.id == deadline.connection;
    if (same) cut(session, reasons::kCertificateExpired, Will::kSuppress);
  }
}

// The device goes on elsewhere, so its will would be wrong. What it was told is stored is stored: its acknowledgements
// still go out.
void Gatekeeper::cut_older(const std::shared_ptr<Session>& session) {
  journal_.cut(*session, reasons::kTakenOver);
  parts_.broker.kick(session->principal, Will::kSuppress);
}

void Gatekeeper::cut(const std::shared_ptr<Session>& session, std::string_view reason, Will will) {
  journal_.cut(*session, reason);
  const auto hold = session->connection.hold;
  if (will == Will::kSuppress && hold) hold->discard_held();
  if (rechecks_.size() > kMaxKicksAtOnce && hold) {
    hold->shut_down();
    return;
  }
  parts_.broker.kick(session->principal, will);
}

}  // namespace muster::auth_plugin
