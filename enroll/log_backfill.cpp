// SPDX-License-Identifier: Apache-2.0
#include "enroll/log_backfill.h"

#include <algorithm>
#include <vector>

#include "db/transaction.h"
#include "enroll/authority_context.h"
#include "enroll/registration_authority.h"
#include "enroll/transparency_log.h"
#include "registry/transparency_store.h"

namespace muster::enroll {

namespace {

// Bounds how long those who issue wait for the log. More than one transaction can have stored (1,000): those of one
// time are then never all that was read.
constexpr std::size_t kAtOnce = 1001;

}  // namespace

Result<std::size_t> backfill_log(RegistrationAuthority& authority, const TenantId& tenant) {
  AuthorityContext& context = authority.context();
  MUSTER_TRY_VOID(context.require_initialised());
  using Logged = Result<std::size_t>;
  return db::run_in_transaction(context.pool, db::Scope::system(), [&](db::Transaction& tx) -> Logged {
    MUSTER_TRY(const bool mine, registry::take_backfill_turn(tx));
    if (!mine) return std::size_t{0};
    MUSTER_TRY_VOID(tx.enter(db::Scope::of_tenant(tenant)));
    MUSTER_TRY(auto unlogged, registry::list_unlogged(tx, tenant, kAtOnce));
    // A group is found by the time of its certificates, so those of one time must come into one: the last one's may go
    // on behind what was read.
    if (unlogged.size() == kAtOnce && unlogged.front().stored_at != unlogged.back().stored_at) {
      const auto cut = unlogged.back().stored_at;
      std::erase_if(unlogged, [&](const auto& one) { return one.stored_at == cut; });
    }
    for (auto first = unlogged.begin(); first != unlogged.end();) {
      const auto last =
          std::find_if(first, unlogged.end(), [&](const auto& one) { return one.stored_at != first->stored_at; });
      std::vector<ca::LoggedCertificate> certificates;
      for (auto one = first; one != last; ++one) certificates.push_back({tenant, one->issuer_id, one->id});
      MUSTER_TRY_VOID(context.transparency->append(tx, tenant, certificates, first->stored_at));
      first = last;
    }
    return unlogged.size();
  });
}

}  // namespace muster::enroll
