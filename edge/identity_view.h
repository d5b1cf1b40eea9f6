// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what the broker plugin asks while a device waits. An IdentityView is one immutable state of the registry:
// the mapped snapshot file with the deltas that came after it. Look-ups touch memory only and do not allocate.
// Thread-safe: published as std::shared_ptr<const IdentityView>.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/policy.h"
#include "edge/identity_change.h"
#include "edge/name_hash.h"

namespace muster::edge {

// Views into the IdentityView that made them: valid while it lives.
struct TenantFacts {
  TenantId id;
  std::string_view name;
  EntityStatus status;
  const PolicyAttachments* policies = nullptr;  // nullptr: none
  const TenantLimits* limits = nullptr;         // nullptr: none
};
struct IssuerFacts {
  IssuerId id;
  TenantId tenant_id;
  EntityStatus status;
  Sha256 spki_sha256;
  BytesView certificate;    // DER
  BytesView external = {};  // edge/external_trust.h; empty: an issuing CA of ours
};
struct CertificateFacts {
  TenantId tenant_id;
  DeviceId device_id;
  IssuerId issuer_id;
  EntityStatus status;
  UtcTime not_after;
};
// One line of a grant, as DeviceGrant.
struct GrantFacts {
  DeviceId on;
  std::string_view device;
  PolicyActions actions;
  std::uint8_t max_qos;
  std::uint32_t max_payload;
  std::string_view filter;
};
struct DeviceFacts {
  DeviceId id;
  TenantId tenant_id;
  std::string_view name;  // empty: not held, but its hash
  EntityStatus status;
  const Policy* policy;  // never null: a policy that is missing or gone is one that allows nothing
  std::vector<std::string_view> groups;
  std::vector<std::pair<std::string_view, std::string_view>> labels;
  std::vector<GrantFacts> grants = {};
  std::uint8_t name_hash = 0;  // edge/name_hash.h; counts where the name is not held
  // Whether this may be its name, as far as is known.
  bool may_be_called(std::string_view other) const {
    return name.empty() ? edge::name_hash(other) == name_hash : other == name;
  }
};

class IdentityView {
 public:
  virtual ~IdentityView() = default;
  virtual StreamPosition position() const = 0;
  virtual std::optional<CertificateFacts> find_certificate(const Sha256& id) const = 0;
  virtual std::optional<DeviceFacts> find_device(const DeviceId& id) const = 0;
  virtual std::optional<TenantFacts> find_tenant(const TenantId& id) const = 0;
  virtual std::optional<TenantFacts> find_tenant_by_name(std::string_view name) const = 0;
  // All issuers with this key, of any tenant and status.
  virtual std::vector<IssuerFacts> find_issuers_by_key(const Sha256& spki_sha256) const = 0;
  virtual std::vector<IssuerFacts> issuers() const = 0;
};

// What changed between two views, as far as live sessions care: after a swap the plugin re-checks these sessions only;
// `everything` when the base file changed.
struct ViewUpdate {
  std::shared_ptr<const IdentityView> view;
  bool everything = false;
  bool issuers = false;           // an issuer or anchor changed
  std::vector<TenantId> tenants;  // status changed, or an issuer or policy of theirs
  std::vector<DeviceId> devices;  // themselves or one of their certificates
  std::optional<Error> refused;   // a base that could not be used; this view follows the last good one
};

using HeartbeatSignature = std::array<std::uint8_t, 64>;  // Ed25519 (RFC 8032)

struct SnapshotFolderConfig {
  std::string folder;      // holds base and delta files written by `muster edge`
  std::string state_file;  // the plugin's own durable (epoch, number): an older file is refused, also after restart
  std::uint64_t max_age_seconds = 86400;
  std::uint32_t edge_uid = 0;  // files may belong to this user, to root or to this process's user
  // Whether the server signed a heartbeat for edge_id: the edge's own process is not believed. Unset: never.
  EdgeId edge_id;
  std::function<bool(BytesView message, BytesView signature)> is_signed;
};

// SnapshotFolder follows the folder that the edge writes. Confined to one thread (the plugin's watcher).
class SnapshotFolder {
 public:
  // Reasons: config.folder_invalid.
  static Result<std::unique_ptr<SnapshotFolder>> create(SnapshotFolderConfig config);
  virtual ~SnapshotFolder() = default;
  // Readable (poll(2)) when refresh() may find something new.
  virtual int wait_fd() const = 0;
  // Loads what is new; the view is good to use at once, whatever settle() costs. nullopt: nothing is new. Reasons:
  // snapshot.absent, snapshot.corrupt, snapshot.version_unsupported, snapshot.older_than_held, snapshot.permissions.
  // After an error the last good view stays in force.
  virtual Result<std::optional<ViewUpdate>> refresh() = 0;
  // Makes durable that this state was held, so that no older one is taken after a restart: an fsync, which a revocation
  // need not wait for. To be called when the update has been passed on; the next refresh() and the end do it as well.
  virtual void settle() = 0;
  // Seconds since the server last signed off this state, by CLOCK_BOOTTIME within a boot and wall time across boots;
  // nullopt when never or when the wall clock stands behind it.
  virtual std::optional<std::uint64_t> age_seconds() const = 0;
};

}  // namespace muster::edge
