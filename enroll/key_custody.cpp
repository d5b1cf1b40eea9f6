// SPDX-License-Identifier: Apache-2.0
#include "enroll/key_custody.h"

#include <algorithm>

#include "ca/reasons.h"
#include "core/encoding.h"
#include "db/transaction.h"
#include "enroll/authorisation.h"
#include "enroll/authority_context.h"
#include "enroll/heartbeat_signer.h"
#include "enroll/key_rows.h"
#include "enroll/reasons.h"

namespace muster::enroll {

namespace {

// Row locks are held while these are wrapped: well under a millisecond each.
constexpr std::size_t kRewrapsPerTransaction = 20;
constexpr std::string_view kFileStore = "file";

struct Step {
  std::size_t seen = 0;
  std::int64_t rewrapped = 0;
  std::vector<RewrapProgress::Failure> failures;
  KeyId last;
};

Result<void> append_audit(const AuthorityContext& context, db::Transaction& tx, const Caller& caller, const Step& step,
                          const std::string& kek_id) {
  registry::AuditEvent event = audit_event(context, caller, TenantId{}, "keys.rewrap");
  event.target = "kek:" + kek_id;
  event.detail.emplace_back(registry::AuditField::kCount, std::to_string(step.rewrapped));
  for (const auto& failure : step.failures) {
    event.detail.emplace_back(registry::AuditField::kDetail, failure.issuer.text() + " " + failure.reason);
  }
  return registry::append_audit_event(tx, event);
}

// Another process may have been faster: then there is nothing to do.
Result<void> rewrap_one(const AuthorityContext& context, db::Transaction& tx, const registry::WrappedKey& row,
                        Step& step) {
  const ca::KeyOwner owner{row.tenant_id, row.issuer_id, {}};
  MUSTER_TRY(const ca::StoredKey stored, stored_key(row, row.spki_sha256));
  const auto fresh = context.signer->rewrap(owner, stored);
  if (!fresh.ok()) {
    step.failures.push_back({row.issuer_id, std::string(fresh.error().reason)});
    return {};
  }
  MUSTER_TRY(const bool replaced, registry::rewrap_key(tx, row, fresh->kek_id, fresh->wrapped));
  step.rewrapped += replaced ? 1 : 0;
  return {};
}

Result<Step> take_step(const AuthorityContext& context, db::Transaction& tx, const Caller& caller,
                       const std::string& kek_id, const KeyId& after, std::size_t limit) {
  MUSTER_TRY(const auto rows, registry::list_keys_not_under(tx, kek_id, after, limit));
  Step step;
  step.seen = rows.size();
  for (const registry::WrappedKey& row : rows) {
    MUSTER_TRY_VOID(rewrap_one(context, tx, row, step));
    step.last = row.id;
  }
  if (!rows.empty()) MUSTER_TRY_VOID(append_audit(context, tx, caller, step, kek_id));
  return step;
}

// A file that cannot be used is the server's fault, not the caller's.
Result<void> reload_ring(const AuthorityContext& context) {
  const auto reloaded = context.signer->key_ring().reload();
  if (reloaded.ok()) return {};
  return Error{ErrorCode::kUnavailable, reloaded.error().reason, reloaded.error().detail};
}

Result<std::vector<registry::KeyCount>> count_keys(const AuthorityContext& context) {
  return db::run_in_transaction(context.pool, db::Scope::system(),
                                [&](db::Transaction& tx) { return registry::count_keys(tx); });
}

}  // namespace

// The token first: a key that is stored meanwhile is found in the registry then.
Result<std::vector<UnusedTokenKey>> KeyCustody::unused_keys() {
  MUSTER_TRY(const auto held, context_.signer->token_keys());
  std::vector<UnusedTokenKey> unused;
  if (held.empty()) return unused;
  MUSTER_TRY(const auto named, db::run_in_transaction(context_.pool, db::Scope::system(), [](db::Transaction& tx) {
               return registry::list_token_references(tx);
             }));
  for (const ca::TokenKey& key : held) {
    if (std::ranges::binary_search(named, key.reference)) continue;
    unused.push_back({to_hex(key.reference), key.tenant, key.issuer});
  }
  return unused;
}

Result<void> KeyCustody::remove_unused(const Caller& caller, const std::string& id) {
  MUSTER_TRY_VOID(context_.require_initialised());
  MUSTER_TRY_VOID(require_platform(caller));
  const auto reference = from_hex(id);
  const Error unknown{ErrorCode::kNotFound, ca::reasons::kKeyNotFound, ""};
  if (!reference.ok()) return unknown;
  MUSTER_TRY(const auto held, context_.signer->token_keys());
  const auto found = std::ranges::find(held, *reference, &ca::TokenKey::reference);
  if (found == held.end()) return unknown;
  MUSTER_TRY(const auto unused, unused_keys());
  const bool named = std::ranges::find(unused, id, &UnusedTokenKey::id) == unused.end();
  if (named || context_.signer->is_loaded(found->issuer)) {
    return Error{ErrorCode::kConflict, reasons::kTokenKeyInUse, ""};
  }
  MUSTER_TRY_VOID(context_.signer->remove_token_key(*found));
  return db::run_in_transaction(context_.pool, db::Scope::system(), [&](db::Transaction& tx) {
    registry::AuditEvent event = audit_event(context_, caller, TenantId{}, "key.remove_unused");
    event.target = "key:" + id;
    event.detail.emplace_back(registry::AuditField::kIssuerId, found->issuer.text());
    return registry::append_audit_event(tx, event);
  });
}

Result<KeyUse> KeyCustody::use(const Caller& caller) {
  MUSTER_TRY_VOID(context_.require_initialised());
  MUSTER_TRY_VOID(require_platform(caller));
  MUSTER_TRY_VOID(reload_ring(context_));
  MUSTER_TRY(const auto counts, count_keys(context_));
  KeyUse use;
  for (const std::string& id : context_.signer->key_ring().ids()) {
    use.key_encryption_keys.push_back({id, use.key_encryption_keys.empty(), true, 0});
  }
  for (const registry::KeyCount& count : counts) {
    if (count.store != kFileStore) {
      use.token_keys += count.keys;
      continue;
    }
    const auto known = std::ranges::find(use.key_encryption_keys, count.kek_id, &KeyEncryptionKeyUse::id);
    if (known != use.key_encryption_keys.end()) {
      known->keys = count.keys;
    } else {
      use.key_encryption_keys.push_back({count.kek_id, false, false, count.keys});
    }
  }
  auto unused = unused_keys();
  if (unused.ok()) {
    use.unused_token_keys = std::move(*unused);
  } else {
    use.token_failure = unused.error().reason;
  }
  return use;
}

Result<RewrapProgress> KeyCustody::rewrap(const Caller& caller, const KeyId& after, std::size_t limit) {
  MUSTER_TRY_VOID(context_.require_initialised());
  MUSTER_TRY_VOID(require_platform(caller));
  MUSTER_TRY_VOID(reload_ring(context_));
  MUSTER_TRY_VOID(context_.transparency->rewrap(context_.pool, context_.signer->key_ring()));
  MUSTER_TRY_VOID(rewrap_heartbeat_key(context_));
  RewrapProgress progress;
  progress.primary = context_.signer->kek_id();
  progress.next = after;
  for (std::size_t left = std::clamp<std::size_t>(limit, 1, kMaxRewrapsPerCall); left > 0;) {
    const std::size_t group = std::min(left, kRewrapsPerTransaction);
    MUSTER_TRY(Step step, db::run_in_transaction(context_.pool, db::Scope::system(), [&](db::Transaction& tx) {
                 return take_step(context_, tx, caller, progress.primary, progress.next, group);
               }));
    progress.rewrapped += step.rewrapped;
    std::ranges::move(step.failures, std::back_inserter(progress.failures));
    progress.next = step.seen < group ? KeyId{} : step.last;
    if (step.seen < group) break;
    left -= group;
  }
  MUSTER_TRY(const auto counts, count_keys(context_));
  for (const registry::KeyCount& count : counts) {
    if (count.store == kFileStore && count.kek_id != progress.primary) progress.remaining += count.keys;
  }
  return progress;
}

}  // namespace muster::enroll
