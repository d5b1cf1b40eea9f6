// SPDX-License-Identifier: Apache-2.0
#include "enroll/heartbeat_signer.h"

#include <utility>

#include "ca/heartbeat_key.h"
#include "core/encoding.h"
#include "enroll/authority_context.h"
#include "enroll/registration_authority.h"
#include "registry/deployment_store.h"
#include "registry/heartbeat_key_store.h"

namespace muster::enroll {

struct HeartbeatSigner::Loaded {
  ca::HeartbeatKey key;
  Bytes public_key;
  std::string kek_id;
};

HeartbeatSigner::HeartbeatSigner(RegistrationAuthority& authority) : authority_(authority) {}
HeartbeatSigner::~HeartbeatSigner() = default;

// Also puts the key under the primary key-encryption key where it is under another one.
Result<std::shared_ptr<const HeartbeatSigner::Loaded>> HeartbeatSigner::load_row(AuthorityContext& context) {
  MUSTER_TRY_VOID(context.require_initialised());
  ca::KeyRing& ring = context.signer->key_ring();
  return db::run_in_transaction(
      context.pool, db::Scope::system(), [&](db::Transaction& tx) -> Result<std::shared_ptr<const Loaded>> {
        MUSTER_TRY(const registry::Deployment deployment, registry::get_deployment(tx));
        const std::string bound_to = to_uuid_text(deployment.id);
        MUSTER_TRY(auto row, registry::find_heartbeat_key(tx));
        if (!row) {
          MUSTER_TRY(const auto made, ca::HeartbeatKey::make(*ring.primary(), bound_to));
          MUSTER_TRY_VOID(registry::offer_heartbeat_key(tx, {made.id, made.public_key, made.kek_id, made.blob}));
          MUSTER_TRY(row, registry::find_heartbeat_key(tx));
          if (!row) return internal_error("the heartbeat key was not stored");
        }
        MUSTER_TRY(auto key,
                   ca::HeartbeatKey::open(ring, bound_to, {row->id, row->public_key, row->kek_id, row->blob}));
        const auto primary = ring.primary();
        std::string kek_id = to_hex(primary->id());
        if (row->kek_id != kek_id) {
          MUSTER_TRY(const auto wrapped, key.wrap(*primary, bound_to));
          MUSTER_TRY_VOID(registry::rewrap_heartbeat_key(tx, *row, kek_id, wrapped.blob));
        }
        return std::make_shared<const Loaded>(Loaded{std::move(key), std::move(row->public_key), std::move(kek_id)});
      });
}

Result<std::shared_ptr<const HeartbeatSigner::Loaded>> HeartbeatSigner::load() {
  {
    const std::lock_guard lock(mutex_);
    if (loaded_ && loaded_->kek_id == to_hex(authority_.context().signer->key_ring().primary()->id())) return loaded_;
  }
  MUSTER_TRY(auto loaded, load_row(authority_.context()));
  const std::lock_guard lock(mutex_);
  loaded_ = std::move(loaded);
  return loaded_;
}

Result<void> rewrap_heartbeat_key(AuthorityContext& context) {
  MUSTER_TRY_VOID(HeartbeatSigner::load_row(context));
  return {};
}

Result<Bytes> HeartbeatSigner::public_key() {
  MUSTER_TRY(const auto loaded, load());
  return loaded->public_key;
}

Result<Bytes> HeartbeatSigner::sign(BytesView message) {
  MUSTER_TRY(const auto loaded, load());
  return loaded->key.sign(message);
}

}  // namespace muster::enroll
