// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the present state of the entities that edges hold, as they stand in the registry. api/ converts them to the
// edge's wire form. Scope: system.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/policy.h"
#include "core/record.h"
#include "core/time.h"
#include "db/transaction.h"
#include "registry/change_store.h"

namespace muster::registry {

enum class Standing : std::uint8_t { kActive, kSuspended, kGone };  // gone: deleted, retired, revoked

struct TenantFacts {
  TenantId id;
  std::string name;
  Standing standing = Standing::kGone;
};
struct IssuerFacts {
  IssuerId id;
  TenantId tenant_id;
  Standing standing = Standing::kGone;
  Sha256 spki_sha256{};
  Bytes certificate;  // DER
};
struct PolicyFacts {
  PolicyId id;
  TenantId tenant_id;
  Standing standing = Standing::kGone;
  std::vector<PolicyRule> rules;
};
struct DeviceFacts {
  DeviceId id;
  TenantId tenant_id;
  std::string name;
  Standing standing = Standing::kGone;
  PolicyId policy_id;  // the one in force (own, group's, tenant's default); nil: the built-in default
  std::vector<std::string> groups;
  std::vector<std::pair<std::string, std::string>> labels;
};
struct CertificateFacts {
  Sha256 id{};
  TenantId tenant_id;
  DeviceId device_id;
  IssuerId issuer_id;
  Standing standing = Standing::kGone;
  UtcTime not_after{};
};
using EntityFacts = std::variant<TenantFacts, IssuerFacts, PolicyFacts, DeviceFacts, CertificateFacts>;

// load_changed loads what `changes` name, tenants first, then issuers, policies, devices, certificates, so that whoever
// applies them in order finds what they refer to. An entity named twice is loaded once.
Result<std::vector<EntityFacts>> load_changed(db::Transaction& tx, std::span<const ChangeRecord> changes);

// for_each_entity walks everything that is not gone, in the same order, a page at a time, and stops at the first error
// that `visit` returns. Certificates that expired before `now` are left out. `tenants` empty: all. Needs a
// repeatable-read scope; read current_position in the same transaction.
Result<void> for_each_entity(db::Transaction& tx, std::span<const TenantId> tenants, UtcTime now,
                             const std::function<Result<void>(const EntityFacts&)>& visit);

}  // namespace muster::registry
