// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the facts that a broker needs, as the registry pushes them. Each entity is sent as its whole present state
// (an upsert) or as its removal, so that applying one twice, or a later one first, does no harm once all have arrived.
// The server writes them as JSON lines (api/edge_json; the edge computes digests over the same: edge/entity_line.h),
// the edge as delta files (edge/folder_files.h).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/limits.h"
#include "core/policy_attachment.h"
#include "core/policy_document.h"
#include "core/record.h"
#include "core/time.h"

namespace muster::edge {

enum class EntityStatus : std::uint8_t {
  kActive = 1,
  kSuspended = 2,
  kGone = 3
};  // kGone: retired or deleted; never let in

struct TenantState {
  TenantId id;
  std::string name;
  EntityStatus status = EntityStatus::kActive;
  PolicyAttachments policies = {};
  TenantLimits limits = {};
  friend bool operator==(const TenantState&, const TenantState&) = default;
};

// A CA key that may vouch for devices of one tenant.
struct IssuerState {
  IssuerId id;
  TenantId tenant_id;
  EntityStatus status = EntityStatus::kActive;
  Sha256 spki_sha256{};  // of the subjectPublicKeyInfo: anchors are found by key, never by name
  Bytes certificate;     // DER
  // Of a trust anchor of the tenant's own PKI: its rules, encoded (edge/external_trust.h). Empty: an issuing CA of
  // ours, whose devices are accepted by CertificateState alone.
  Bytes external = {};
  friend bool operator==(const IssuerState&, const IssuerState&) = default;
};

struct PolicyState {
  PolicyId id;
  TenantId tenant_id;
  EntityStatus status = EntityStatus::kActive;
  std::vector<PolicyRule> rules;
  Limits limits = {};  // of each device that has it
  friend bool operator==(const PolicyState&, const PolicyState&) = default;
};

// What a device may do in the topic space of another device of its tenant, by the registry's grant. It names that
// device by id too, so it ends with it.
struct DeviceGrant {
  DeviceId on;
  std::string device;  // its name
  GrantRule rule;
  friend bool operator==(const DeviceGrant&, const DeviceGrant&) = default;
};

struct DeviceState {
  DeviceId id;
  TenantId tenant_id;
  std::string name;  // empty: not known, as a base has it
  EntityStatus status = EntityStatus::kActive;
  PolicyId policy_id;                                       // its own; nil: that of TenantState::policies
  std::vector<std::string> groups;                          // sorted
  std::vector<std::pair<std::string, std::string>> labels;  // sorted by name
  std::vector<DeviceGrant> grants = {};
  std::uint8_t name_hash = 0;  // edge/name_hash.h; counts where the name is not known
  friend bool operator==(const DeviceState&, const DeviceState&) = default;
};

// A certificate that the registry lists as issued, or a device of the tenant's own PKI that may come by an anchor. Not
// listed, or kGone: not accepted.
struct CertificateState {
  Sha256 id{};  // SHA-256 of the DER, or x509::external_credential_id
  TenantId tenant_id;
  DeviceId device_id;
  IssuerId issuer_id;
  EntityStatus status = EntityStatus::kActive;  // kGone: revoked
  UtcTime not_after{};
  friend bool operator==(const CertificateState&, const CertificateState&) = default;
};

using IdentityChange = std::variant<TenantState, IssuerState, PolicyState, DeviceState, CertificateState>;

// Position in the registry's change stream. `epoch` changes when the database was restored: positions of two epochs
// cannot be compared, and the edge loads everything again.
struct StreamPosition {
  RawId epoch;
  std::uint64_t number = 0;
  friend bool operator==(const StreamPosition&, const StreamPosition&) = default;
};

}  // namespace muster::edge
