// SPDX-License-Identifier: Apache-2.0
#include "enroll/crl_publisher.h"

#include "ca/crl_builder.h"
#include "ca/crl_linter.h"
#include "ca/signer.h"
#include "enroll/reasons.h"
#include "registry/issuer_store.h"

namespace muster::enroll {

namespace {

constexpr std::chrono::seconds kLookInterval{5};
// thisUpdate lies a little back, for relying parties whose clocks are behind.
constexpr std::chrono::seconds kBackdate{60};
// [RFC5280 3.3] an entry stays on at least one CRL after the certificate expired.
constexpr int kPeriodsKept = 2;
// A build that takes longer than this waits ten times its own time before the next one: a million entries in one shard
// cost a tenth of a core at most, however fast certificates are revoked or CRLs are asked for.
constexpr std::chrono::milliseconds kCheapBuild{250};
constexpr int kRestFactor = 10;
// Entries of more octets lie in parts: a new CRL is then the last one and what was revoked since.
constexpr std::size_t kLargeList = 256U << 10;
constexpr std::uint32_t kMostParts = 100;
constexpr std::size_t kMostNews = 20'000;

UtcTime due_at(UtcTime this_update, UtcTime next_update) { return this_update + (next_update - this_update) / 2; }

bool is_current(const registry::CrlState& state, UtcTime now) {
  return !state.outdated && state.this_update <= now && now < due_at(state.this_update, state.next_update);
}

std::shared_ptr<const PublishedCrl> publish(registry::StoredCrl stored) {
  return std::make_shared<const PublishedCrl>(
      PublishedCrl{std::move(stored.crl), stored.number, stored.this_update, stored.next_update, stored.layout});
}

}  // namespace

Result<std::shared_ptr<const PublishedCrl>> CrlPublisher::crl(const IssuerId& issuer, std::uint32_t shard_number) {
  MUSTER_TRY_VOID(context_.require_initialised());
  const registry::CrlId id{issuer, shard_number};
  MUSTER_TRY(const std::shared_ptr<Shard> shard, find_shard(id));
  Present present;
  {
    const std::lock_guard lock{mutex_};
    present = shard->present;
    if (present && is_fresh(*shard, context_.clock.now())) return present;
  }
  std::unique_lock building{shard->building, std::try_to_lock};
  if (!building.owns_lock()) {
    if (present) return present;
    building.lock();
  }
  auto looked = look(id, *shard);
  if (looked.ok() || !present) return looked;
  context_.log.error("no new CRL", {{"issuer", issuer.text()}, {"error", to_log_text(looked.error())}});
  context_.metrics.counter("muster_crl_failures_total", "CRLs that could not be made or read").add();
  return present;
}

// A shard that nobody issued into is not remembered: whoever asks for many of them fills no memory and gets none made.
Result<std::shared_ptr<CrlPublisher::Shard>> CrlPublisher::find_shard(const registry::CrlId& id) {
  {
    const std::lock_guard lock{mutex_};
    const auto found = shards_.find(id);
    if (found != shards_.end()) return found->second;
  }
  MUSTER_TRY(const std::uint32_t count,
             db::run_in_transaction(context_.pool, db::Scope::system(),
                                    [&](db::Transaction& tx) { return registry::count_crl_shards(tx, id.issuer); }));
  if (id.shard >= count) return Error{ErrorCode::kNotFound, reasons::kShardUnknown, {}};
  const std::lock_guard lock{mutex_};
  return shards_.try_emplace(id, std::make_shared<Shard>()).first->second;
}

bool CrlPublisher::is_fresh(const Shard& shard, UtcTime now) const {
  const bool looked = now >= shard.looked_at && now - shard.looked_at < kLookInterval;
  return looked && shard.revocations == context_.revocations.load(std::memory_order_acquire);
}

bool CrlPublisher::may_build_again(const Shard& shard, UtcTime now) {
  const std::lock_guard lock{mutex_};
  if (!shard.present || now >= shard.present->next_update || shard.build_time < kCheapBuild) return true;
  return std::chrono::steady_clock::now() - shard.built_at >= kRestFactor * shard.build_time;
}

CrlPublisher::Present CrlPublisher::keep(Shard& shard, Present crl, std::uint64_t revocations) {
  const std::lock_guard lock{mutex_};
  shard.looked_at = context_.clock.now();
  shard.revocations = revocations;
  shard.present = std::move(crl);
  return shard.present;
}

Result<CrlPublisher::Present> CrlPublisher::look(const registry::CrlId& id, Shard& shard) {
  // Read first: what is revoked from here on makes the next request look again.
  const std::uint64_t revocations = context_.revocations.load(std::memory_order_acquire);
  const UtcTime now = context_.clock.now();
  Present present;
  {
    const std::lock_guard lock{mutex_};
    present = shard.present;
  }
  using State = std::optional<registry::CrlState>;
  MUSTER_TRY(const State state, db::run_in_transaction(context_.pool, db::Scope::system(), [&](db::Transaction& tx) {
               return registry::look_at_crl(tx, id);
             }));
  if (state && is_current(*state, now)) {
    if (present && present->number == state->number) return keep(shard, std::move(present), revocations);
  } else if (!may_build_again(shard, now)) {
    return present;
  }
  const auto started = std::chrono::steady_clock::now();
  MUSTER_TRY(Present made, db::run_in_transaction(context_.pool, db::Scope::system(),
                                                  [&](db::Transaction& tx) { return build(tx, id, present); }));
  {
    const std::lock_guard lock{mutex_};
    shard.built_at = std::chrono::steady_clock::now();
    shard.build_time = shard.built_at - started;
  }
  return keep(shard, std::move(made), revocations);
}

// What another process has built meanwhile is taken from the registry.
Result<CrlPublisher::Present> CrlPublisher::build(db::Transaction& tx, const registry::CrlId& id,
                                                  const Present& present) const {
  MUSTER_TRY(const registry::CrlOrigin origin, registry::begin_crl(tx, id));
  const UtcTime now = context_.clock.now();
  MUSTER_TRY(const auto state, registry::look_at_crl(tx, id));
  MUSTER_TRY(const registry::Issuer row, registry::get_issuer(tx, id.issuer));
  // An issuer that has ended signs nothing more: nothing it vouched for is valid any longer.
  if (state && (is_current(*state, now) || now > row.not_after)) {
    MUSTER_TRY(auto stored, registry::find_crl(tx, id.issuer, id.shard));
    if (stored) return publish(std::move(*stored));
  }
  MUSTER_TRY(const auto loaded, context_.issuers->load(tx, row));
  const std::chrono::seconds validity{context_.config.crl_validity_seconds};
  registry::StoredCrl made;
  registry::KeptParts kept;
  ca::CrlBuilder builder;
  MUSTER_TRY(Present last, state ? find_last(tx, id, *state, present) : Result<Present>{Present{}});
  if (last && may_add_to(*last, *state, now)) {
    MUSTER_TRY(const bool added, add_news(tx, id, origin, *last, builder));
    if (added) {
      made.layout = last->layout;
      kept = {last->layout.parts, last->layout.entries_size};
    }
  }
  if (kept.parts == 0) {
    MUSTER_TRY_VOID(registry::visit_revoked(tx, id, origin, now - kPeriodsKept * validity,
                                            [&](BytesView serial, UtcTime at, registry::RevocationReason reason) {
                                              return builder.add(serial, at, static_cast<std::uint8_t>(reason));
                                            }));
  }
  last.reset();  // a large one's octets are not held longer than needed
  // As late as possible: it locks the issuer's row until the end.
  MUSTER_TRY(made.number, registry::take_crl_number(tx, id.issuer, now));
  made.this_update = now - kBackdate;
  made.next_update = now + validity;
  const ca::CrlHead head{loaded->identity, id.shard, made.number, made.this_update, made.next_update};
  {
    const Bytes tbs = builder.finish(head);
    const auto findings = ca::lint_crl(tbs, head, builder.count());
    if (!findings.empty()) return Error{ErrorCode::kInternal, findings.front().reason, findings.front().detail};
    MUSTER_TRY(const Bytes signature, context_.signer->sign_crl({loaded->tenant, id.issuer, tbs}));
    MUSTER_TRY(made.crl, ca::assemble_signed(tbs, signature));
  }
  lay_out(made, builder, kept, now);
  MUSTER_TRY_VOID(registry::store_crl(tx, id, made, origin, kept));
  context_.metrics.counter("muster_crls_built_total", "CRLs made").add();
  return publish(std::move(made));
}

// From memory, or from the registry where another process made it.
Result<CrlPublisher::Present> CrlPublisher::find_last(db::Transaction& tx, const registry::CrlId& id,
                                                      const registry::CrlState& state, Present present) {
  if (present && present->number == state.number) return present;
  if (!state.is_in_parts) return Present{};
  MUSTER_TRY(auto stored, registry::find_crl(tx, id.issuer, id.shard));
  if (!stored) return Present{};
  return publish(std::move(*stored));
}

// Half a period after its base a CRL is made of all revocations again: so what expired goes.
bool CrlPublisher::may_add_to(const PublishedCrl& last, const registry::CrlState& state, UtcTime now) const {
  const registry::CrlLayout& layout = last.layout;
  const std::chrono::seconds validity{context_.config.crl_validity_seconds};
  return layout.parts > 0 && layout.parts < kMostParts && state.is_of_this_cluster && now >= layout.base_at &&
         now - layout.base_at < validity / 2;
}

// False, and nothing is added: there is too much.
Result<bool> CrlPublisher::add_news(db::Transaction& tx, const registry::CrlId& id, const registry::CrlOrigin& origin,
                                    const PublishedCrl& last, ca::CrlBuilder& builder) {
  MUSTER_TRY(const auto news, registry::list_news(tx, id, origin, kMostNews + 1));
  if (news.size() > kMostNews) return false;
  builder.expect(last.layout.entries + news.size());
  builder.add_written(ca::crl_entries(last.der), last.layout.entries);
  for (const registry::RevokedEntry& entry : news) {
    MUSTER_TRY_VOID(builder.add(entry.serial, entry.revoked_at, static_cast<std::uint8_t>(entry.reason)));
  }
  return true;
}

void CrlPublisher::lay_out(registry::StoredCrl& made, const ca::CrlBuilder& builder, const registry::KeptParts& kept,
                           UtcTime now) {
  registry::CrlLayout& layout = made.layout;
  layout.entries = builder.count();
  if (kept.parts == 0) {
    if (builder.size() < kLargeList) return;
    layout.base = made.number;
    layout.base_at = now;
  }
  const BytesView entries = ca::crl_entries(made.crl);
  layout.entries_at = static_cast<std::size_t>(entries.data() - made.crl.data());
  layout.entries_size = entries.size();
}

}  // namespace muster::enroll
