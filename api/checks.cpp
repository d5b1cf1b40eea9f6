// SPDX-License-Identifier: Apache-2.0
//
// What `muster doctor` and monitoring ask of the whole deployment. Only facts that the registry knows; thresholds stand
// here, beside the sentences that say what to do.
#include <algorithm>
#include <chrono>

#include "api/routes.h"
#include "enroll/key_custody.h"
#include "registry/crl_store.h"
#include "registry/health_store.h"
#include "registry/transparency_store.h"
#include "registry/trust_anchor_store.h"

namespace muster::api {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t kMaxIssuers = 10'000;
constexpr std::size_t kMaxIntents = 1'000;
constexpr minutes kIntentAge{5};
constexpr hours kIssuerWarning{90 * 24};  // time to plan a rollover
constexpr hours kIssuerCritical{14 * 24};
constexpr hours kExpiryHorizon{14 * 24};
constexpr hours kExpiryWarning{3 * 24};  // devices renew at 2/3 of their certificate's life: these did not
constexpr hours kInfrastructureWarning{14 * 24};
constexpr minutes kEdgeSilence{5};
constexpr minutes kAuditLag{2};
constexpr hours kClaimAge{7 * 24};
constexpr hours kRecentTrouble{24};
constexpr std::size_t kMaxProfileFaults = 20;

enum class Level { kOk, kWarning, kCritical };

std::string_view to_string(Level level) {
  switch (level) {
    case Level::kOk: return "ok";
    case Level::kWarning: return "warning";
    case Level::kCritical: return "critical";
  }
  return "critical";
}

struct Check {
  std::string name;
  Level level = Level::kOk;
  std::string detail;
};

std::string describe(const registry::IssuerHealth& issuer) {
  return issuer.id.text() + (issuer.tenant_name.empty() ? " of the platform" : " of tenant " + issuer.tenant_name) +
         " (" + issuer.status + ")";
}

std::string count_of(std::size_t count, const std::string& what) { return std::to_string(count) + " " + what; }

Check check_intents(const std::vector<registry::OrphanIntent>& orphans) {
  Check check{"intents", Level::kOk, "every certificate that was begun was finished"};
  if (orphans.empty()) return check;
  check.level = Level::kWarning;
  check.detail = count_of(orphans.size(), "certificates were begun and never finished, the oldest at ") +
                 to_rfc3339(orphans.front().created_at) + ", serial " + to_hex(orphans.front().serial);
  return check;
}

Check check_issuers(const std::vector<registry::IssuerHealth>& issuers, UtcTime now) {
  Check check{"issuers", Level::kOk, count_of(issuers.size(), "CAs, none ends within 90 days")};
  if (issuers.empty() || issuers.front().not_after - now > kIssuerWarning) return check;
  const registry::IssuerHealth& first = issuers.front();
  check.level = first.not_after - now > kIssuerCritical ? Level::kWarning : Level::kCritical;
  check.detail = describe(first) + " ends at " + to_rfc3339(first.not_after) + ": prepare its successor";
  return check;
}

// A CRL that nobody asked for is renewed when somebody does; one that is past its nextUpdate was not.
Check check_crls(const std::vector<registry::IssuerHealth>& issuers, UtcTime now) {
  const auto is_late = [&](const registry::IssuerHealth& one) {
    return one.crl_next_update && *one.crl_next_update < now;
  };
  const auto late = std::count_if(issuers.begin(), issuers.end(), is_late);
  Check check{"crls", Level::kOk, "none that was published is past its nextUpdate"};
  if (late == 0) return check;
  const auto first = std::find_if(issuers.begin(), issuers.end(), is_late);
  check.level = Level::kWarning;
  check.detail = count_of(static_cast<std::size_t>(late), "CRLs are past their nextUpdate, among them that of ") +
                 describe(*first) + ": fetch it, and look into the server's log if it stays";
  return check;
}

Check check_expiring(const std::vector<registry::ExpiringDay>& days, UtcTime now) {
  Check check{"expiring", Level::kOk, "no device's last certificate ends within 14 days"};
  std::size_t all = 0;
  std::string by_day;
  for (const registry::ExpiringDay& day : days) {
    all += day.certificates;
    by_day +=
        (by_day.empty() ? "" : ", ") + to_rfc3339(day.day).substr(0, 10) + ": " + std::to_string(day.certificates);
  }
  if (all == 0) return check;
  check.level = days.front().day - now < kExpiryWarning ? Level::kWarning : Level::kOk;
  check.detail = count_of(all, "devices' last certificates end within 14 days (") + by_day + ")";
  return check;
}

// `problem` is said where there is any.
Check warn_if_any(Check fine, const registry::Backlog& found, const std::string& problem) {
  if (found.count == 0) return fine;
  return {std::move(fine.name), Level::kWarning, count_of(found.count, problem)};
}

std::string oldest_of(const registry::Backlog& found, const char* otherwise = "") {
  return found.oldest ? to_rfc3339(*found.oldest) : otherwise;
}

Check check_infrastructure(const registry::Backlog& expiring) {
  return warn_if_any({"infrastructure", Level::kOk, "no edge's or broker's certificate ends within 14 days"}, expiring,
                     "certificates of edges and brokers end soon, the first at " + oldest_of(expiring) +
                         ": run muster edge join again on their hosts");
}

Check check_edges(const registry::Backlog& silent) {
  return warn_if_any({"edges", Level::kOk, "every edge was heard from within 5 minutes"}, silent,
                     "edges are silent, one since " + oldest_of(silent, "it joined") +
                         ": what is revoked does not reach their brokers");
}

Check check_lost_records(const registry::Backlog& lost) {
  return warn_if_any({"lost records", Level::kOk, "no edge reported any within 24 hours"}, lost,
                     "reports of records that could not be read from a WAL or stored, one of " + oldest_of(lost) +
                         ": muster audit names the edges and sequences; look at their disks");
}

Check check_contested(const registry::Backlog& contested) {
  return warn_if_any({"contested devices", Level::kOk, "no two brokers fought over a device within 24 hours"},
                     contested,
                     "devices seem to be two each (device.contested in the audit): revoke their certificates, or the "
                     "edge that said so");
}

Check check_audit(const registry::Backlog& unchained, UtcTime now) {
  Check check{"audit chain", Level::kOk, "up to date"};
  if (!unchained.oldest || now - *unchained.oldest < kAuditLag) return check;
  check.level = Level::kWarning;
  check.detail = count_of(unchained.count, "audit events wait to be chained, the first since ") +
                 to_rfc3339(*unchained.oldest) + ": look into the server's log";
  return check;
}

Check check_key_encryption_keys(const std::vector<std::string>& keks) {
  Check check{"key-encryption keys", Level::kOk, "one in use"};
  if (keks.size() <= 1) return check;
  check.level = Level::kWarning;
  check.detail = count_of(keks.size(), "in use: the rotation is not finished; remove the old key when it is");
  return check;
}

Check check_claims(const registry::Backlog& open) {
  return warn_if_any({"claims", Level::kOk, "none has been open for more than 7 days"}, open,
                     "claims have been open for more than 7 days, one since " + oldest_of(open) +
                         ": delete what is not needed any more");
}

Check check_profiles(const std::vector<registry::ProfileFault>& faults) {
  Check check{"profiles", Level::kOk, "each can hold what it promises"};
  for (const registry::ProfileFault& one : faults) {
    check.detail = (check.level == Level::kOk ? std::string() : check.detail + "; ") + one.tenant_name + "/" +
                   one.profile + ": " + one.fault;
    check.level = Level::kWarning;
  }
  return check;
}

// CRLs of tenants' own PKI. With fail-closed the devices are locked out, with last-known-good nobody new is.
Check check_external_crls(const std::vector<registry::ExpiredCrlAnchor>& expired) {
  Check check{"external crls", Level::kOk, "none of a trust anchor in use is past its nextUpdate"};
  if (expired.empty()) return check;
  const bool closed = std::ranges::any_of(
      expired, [](const auto& anchor) { return anchor.rule == registry::ExpiredCrlRule::kFailClosed; });
  check.level = closed ? Level::kCritical : Level::kWarning;
  check.detail = count_of(expired.size(), "trust anchors have a CRL past its nextUpdate, among them ") +
                 expired.front().anchor_id.text() +
                 (closed ? ": its devices are refused until a new one is uploaded" : ": the last one counts on");
  return check;
}

// Cheap: `muster log verify` is what computes everything again.
Check check_log(const registry::TransparencyExtent& log) {
  Check check{"issuance-log", Level::kOk, count_of(log.size, "entries; muster log verify computes them again")};
  if (log.size == log.leaves_end) return check;
  check.level = Level::kCritical;
  check.detail = "its head says " + std::to_string(log.size) + " entries, its rows end at " +
                 std::to_string(log.leaves_end) +
                 ": rows were changed by hand or restored in part; run muster log verify";
  return check;
}

// Left by a crash between making a key and storing its CA.
Check check_token(const Result<std::vector<enroll::UnusedTokenKey>>& unused) {
  Check check{"token keys", Level::kOk, "none but those of CAs"};
  if (!unused.ok()) {
    check.level = Level::kCritical;
    check.detail = "the token cannot be looked into: " + std::string(unused.error().reason);
  } else if (!unused->empty()) {
    check.level = Level::kWarning;
    check.detail = count_of(unused->size(), "keys in the token belong to no CA, among them ") + unused->front().id +
                   ": muster key remove-unused ID";
  }
  return check;
}

Result<std::vector<Check>> run_checks(db::Transaction& tx, UtcTime now) {
  MUSTER_TRY(const auto orphans, registry::list_orphan_intents(tx, now - kIntentAge, kMaxIntents));
  MUSTER_TRY(const auto issuers, registry::list_issuer_health(tx, kMaxIssuers));
  MUSTER_TRY(const auto days, registry::count_expiring_by_day(tx, now, now + kExpiryHorizon));
  MUSTER_TRY(const auto infrastructure, registry::expiring_infrastructure(tx, now, now + kInfrastructureWarning));
  MUSTER_TRY(const auto silent, registry::silent_edges(tx, now - kEdgeSilence));
  MUSTER_TRY(const auto lost, registry::lost_records(tx, now - kRecentTrouble));
  MUSTER_TRY(const auto contested, registry::contested_devices(tx, now - kRecentTrouble));
  MUSTER_TRY(const auto unchained, registry::unchained_audit_events(tx));
  MUSTER_TRY(const auto keks, registry::key_encryption_keys_in_use(tx));
  MUSTER_TRY(const auto claims, registry::open_claims(tx, now, now - kClaimAge));
  MUSTER_TRY(const auto faults, registry::list_profile_faults(tx, now, kMaxProfileFaults));
  MUSTER_TRY(const auto external_crls, registry::list_expired_crls(tx, now));
  MUSTER_TRY(const auto log, registry::read_transparency_extent(tx));
  return std::vector{check_intents(orphans),
                     check_issuers(issuers, now),
                     check_crls(issuers, now),
                     check_expiring(days, now),
                     check_infrastructure(infrastructure),
                     check_edges(silent),
                     check_audit(unchained, now),
                     check_key_encryption_keys(keks),
                     check_claims(claims),
                     check_profiles(faults),
                     check_external_crls(external_crls),
                     check_log(log),
                     check_lost_records(lost),
                     check_contested(contested)};
}

Result<http::Response> checks(Call& call) {
  MUSTER_TRY(auto found, db::run_in_transaction(call.context.pool, db::Scope::system(),
                                                [&](db::Transaction& tx) { return run_checks(tx, call.now()); }));
  found.push_back(check_token(enroll::KeyCustody(call.context.authority).unused_keys()));
  Level worst = Level::kOk;
  for (const Check& check : found) worst = std::max(worst, check.level);
  JsonWriter out;
  out.object([&] {
    out.field("status", to_string(worst)).key("checks").array([&] {
      for (const Check& check : found) {
        out.object([&] {
          out.field("check", check.name).field("status", to_string(check.level)).field("detail", check.detail);
        });
      }
    });
  });
  return http::json_response(200, out.take());
}

}  // namespace

void add_checks(Operations& operations) { operations.push_back({"GET", "/v1/checks", Action::kMetricsRead, checks}); }

}  // namespace muster::api
