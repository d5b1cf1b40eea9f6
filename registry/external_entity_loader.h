// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the part of registry/entity_loader.h for tenants' own PKI. Internal to registry/.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "db/statement.h"
#include "registry/entity_loader.h"

namespace muster::registry {

Result<void> load_trust_anchors(db::Transaction& tx, std::span<const ChangeRecord> changes,
                                std::vector<EntityFacts>& facts);
Result<void> load_external_credentials(db::Transaction& tx, std::span<const ChangeRecord> changes,
                                       std::vector<EntityFacts>& facts);

// `tenants`: an array of uuid, or NULL for all.
Result<void> walk_trust_anchors(db::Transaction& tx, const db::Param& tenants,
                                const std::function<Result<void>(const EntityFacts&)>& visit);
Result<void> walk_external_credentials(db::Transaction& tx, const db::Param& tenants,
                                       const std::function<Result<void>(const EntityFacts&)>& visit);

}  // namespace muster::registry
