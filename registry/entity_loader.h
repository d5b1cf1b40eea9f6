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
#include "core/device_id_source.h"
#include "core/id.h"
#include "core/limits.h"
#include "core/policy_attachment.h"
#include "core/policy_document.h"
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
  PolicyAttachments policies = {};
  TenantLimits limits = {};
};
struct IssuerFacts {
  IssuerId id;
  TenantId tenant_id;
  Standing standing = Standing::kGone;
  Sha256 spki_sha256{};
  Bytes certificate;  // DER
};
// A trust anchor of the tenant's own PKI, proved once; what is not proved is gone.
struct TrustAnchorFacts {
  struct CrlDeadline {
    Sha256 issuer_key{};
    UtcTime next_update{};  // the earliest of this issuer's CRLs
  };
  IssuerId id;
  TenantId tenant_id;
  Standing standing = Standing::kGone;
  Sha256 spki_sha256{};
  Bytes certificate;  // DER
  std::vector<Bytes> intermediates;
  DeviceIdSource source = DeviceIdSource::kCommonName;
  std::string prefix;
  bool registers_devices = false;  // unknown devices may register themselves now
  bool uses_crls = false;          // one is held, or is to be fetched
  bool fail_closed = true;         // where one has expired
  std::vector<CrlDeadline> crls;   // by issuer_key
  Bytes revoked;                   // keys of 16 octets of its CRLs, in no order
  std::vector<Sha256> revoked_certificates;
};
// A device of the tenant's own PKI that may come by an anchor.
struct ExternalCredentialFacts {
  Sha256 id{};
  TenantId tenant_id;
  DeviceId device_id;
  IssuerId anchor_id;
  Standing standing = Standing::kGone;
};
struct PolicyFacts {
  PolicyId id;
  TenantId tenant_id;
  Standing standing = Standing::kGone;
  std::vector<PolicyRule> rules;
  Limits limits = {};
};
// One line of a grant (registry/grant_store.h).
struct GrantFacts {
  DeviceId on;
  std::string device;  // its name
  GrantRule rule;
};
struct DeviceFacts {
  DeviceId id;
  TenantId tenant_id;
  std::string name;
  Standing standing = Standing::kGone;
  PolicyId policy_id;  // its own; nil: it has none
  std::vector<std::string> groups;
  std::vector<std::pair<std::string, std::string>> labels;
  std::vector<GrantFacts> grants = {};
};
struct CertificateFacts {
  Sha256 id{};
  TenantId tenant_id;
  DeviceId device_id;
  IssuerId issuer_id;
  Standing standing = Standing::kGone;
  UtcTime not_after{};
};
using EntityFacts = std::variant<TenantFacts, IssuerFacts, PolicyFacts, DeviceFacts, CertificateFacts, TrustAnchorFacts,
                                 ExternalCredentialFacts>;

// load_changed loads what `changes` name, tenants first, then issuers and trust anchors, policies, devices,
// certificates and credentials, so that whoever applies them in order finds what they refer to. An entity named twice
// is loaded once. A credential that is not there any more is gone.
Result<std::vector<EntityFacts>> load_changed(db::Transaction& tx, std::span<const ChangeRecord> changes);

// for_each_entity walks everything that is not gone, in the same order, a page at a time, and stops at the first error
// that `visit` returns. Certificates that expired before `now` are left out. `tenants` empty: all. Needs a
// repeatable-read scope; read current_position in the same transaction.
Result<void> for_each_entity(db::Transaction& tx, std::span<const TenantId> tenants, UtcTime now,
                             const std::function<Result<void>(const EntityFacts&)>& visit);

}  // namespace muster::registry
