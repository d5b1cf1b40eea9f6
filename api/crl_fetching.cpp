// SPDX-License-Identifier: Apache-2.0
#include "api/crl_fetching.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "core/log.h"
#include "enroll/external_crl.h"
#include "registry/trust_anchor_store.h"

namespace muster::api {
namespace {

constexpr std::chrono::seconds kTurn{1};
constexpr int kTurnsPerAlarm = 10;
constexpr std::size_t kMostAtOnce = 16;

const Log& log() {
  static const Log instance{"crl-fetching"};
  return instance;
}

// The reason of the failure; "" where the CRL is held now.
std::string fetch_and_import(ApiContext& context, const http::OutsidePolicy& policy, const registry::DueCrl& due) {
  const auto fetched = http::fetch_outside(due.url, policy);
  if (!fetched.ok()) return std::string(fetched.error().reason);
  enroll::Caller self;
  self.role = enroll::CallerRole::kLocal;
  const auto imported = enroll::ExternalCrls{context.authority}.import(self, due.tenant_id, due.anchor_id, *fetched,
                                                                       enroll::CrlOrigin::kFetch);
  return imported.ok() ? std::string() : std::string(imported.error().reason);
}

}  // namespace

CrlFetching::CrlFetching(ApiContext& context, http::OutsidePolicy policy)
    : context_(context), policy_(std::move(policy)), thread_([this](const std::stop_token& stop) { loop(stop); }) {}

void CrlFetching::loop(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  for (int turn = 0; !stop.stop_requested(); ++turn) {
    fetch_due(stop);
    if (turn % kTurnsPerAlarm == 0) raise_alarms();
    std::unique_lock lock{mutex};
    never.wait_for(lock, stop, kTurn, [] { return false; });
  }
}

void CrlFetching::fetch_due(const std::stop_token& stop) {
  const UtcTime now = context_.clock.now();
  const auto due = db::run_in_transaction(context_.pool, db::Scope::system(), [&](db::Transaction& tx) {
    return registry::list_due_crls(tx, now, kMostAtOnce);
  });
  if (!due.ok()) return log().warning("CRLs not looked for", {{"error", to_log_text(due.error())}});
  for (const registry::DueCrl& crl : *due) {
    if (stop.stop_requested()) return;
    const db::Scope scope = db::Scope::of_tenant(crl.tenant_id);
    const auto mine = db::run_in_transaction(context_.pool, scope, [&](db::Transaction& tx) {
      return registry::take_crl_turn(tx, crl.tenant_id, crl.anchor_id, now);
    });
    if (!mine.ok() || !*mine) continue;
    const std::string failure = fetch_and_import(context_, policy_, crl);
    if (!failure.empty()) {
      log().warning("CRL not fetched", {{"anchor_id", crl.anchor_id.text()}, {"url", crl.url}, {"reason", failure}});
      context_.metrics
          .counter("muster_external_crl_fetch_failures_total", "CRLs of trust anchors that could not be fetched")
          .add();
    }
    const auto noted = db::run_in_transaction(context_.pool, scope, [&](db::Transaction& tx) {
      return registry::note_crl_fetch(tx, crl.tenant_id, crl.anchor_id, failure);
    });
    if (!noted.ok()) log().warning("CRL fetch not noted", {{"error", to_log_text(noted.error())}});
  }
}

void CrlFetching::raise_alarms() {
  const auto expired = enroll::ExternalCrls{context_.authority}.raise_alarms();
  if (!expired.ok()) return log().warning("CRL alarms put off", {{"error", to_log_text(expired.error())}});
  context_.metrics.gauge("muster_external_crls_expired", "Trust anchors in use with a CRL that has expired")
      .set(static_cast<double>(*expired));
}

}  // namespace muster::api
