// SPDX-License-Identifier: Apache-2.0
//
// Purpose: base.snapshot, mapped. Everything in it is checked when it is opened: owner, mode, checksums of the whole
// file, versions, every index and every offset, the order of every table. After that look-ups trust it.
// Immutable, thread-safe. The file must never be truncated while it is mapped (that kills the process by SIGBUS); the
// edge only ever replaces it by rename.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "edge/base_format.h"
#include "edge/entity_codec.h"
#include "edge/identity_view.h"
#include "edge/packed_table.h"

namespace muster::edge {

struct HeldPolicy {
  TenantId tenant_id;
  EntityStatus status = EntityStatus::kGone;
  std::shared_ptr<const Policy> compiled;  // null: does not compile, and so allows nothing
};

struct HeldDevice {
  DeviceFacts facts;  // facts.policy is null: the view resolves it. Of the name the base holds its hash only
  PolicyId policy_id;
};

class BaseFile {
 public:
  // Reasons: snapshot.absent, snapshot.permissions, snapshot.unreadable, snapshot.corrupt,
  // snapshot.version_unsupported.
  static Result<std::shared_ptr<const BaseFile>> open(const std::string& path, uid_t owner);
  ~BaseFile();
  BaseFile(const BaseFile&) = delete;
  BaseFile& operator=(const BaseFile&) = delete;

  const StreamPosition& position() const { return position_; }
  struct Sizes {
    std::size_t rows = 0;  // octets of what there is for each device and certificate, with the buckets
    std::size_t pool = 0;
  };
  Sizes sizes() const { return {devices_.octets() + certificates_.octets(), pool_.size()}; }
  // By the first half of the hash, which is all that the base holds of it.
  std::optional<CertificateFacts> find_certificate(const Sha256& id) const;
  std::optional<HeldDevice> find_device(const DeviceId& id) const;
  std::optional<TenantFacts> find_tenant(const TenantId& id) const;
  std::optional<TenantFacts> find_tenant_by_name(std::string_view name) const;
  std::optional<IssuerFacts> find_issuer(const IssuerId& id) const;
  // Null: not held. Compiled when it is asked for first.
  const HeldPolicy* find_policy(const PolicyId& id) const;
  void for_each_issuer_with_key(const Sha256& spki_sha256, const std::function<void(const IssuerFacts&)>& visit) const;
  void for_each_issuer(const std::function<void(const IssuerFacts&)>& visit) const;

  // Whole states, for compaction and comparison with the server.
  void for_each(const std::function<void(const IdentityChange&)>& visit) const;
  void for_each_certificate_until(UtcTime time, const std::function<void(const CertificateState&)>& visit) const;
  std::optional<PolicyState> find_policy_state(const PolicyId& id) const;

 private:
  friend class BaseFileCheck;
  BaseFile() = default;
  std::string_view text(base_format::PoolOffset offset) const { return as_text(string(offset)); }
  BytesView string(base_format::PoolOffset offset) const;
  void read_attachments();
  TenantFacts facts(const base_format::Tenant& entry) const;
  IssuerFacts facts(const base_format::Issuer& entry) const;
  std::optional<HeldDevice> held_device(std::uint32_t row) const;
  std::optional<CertificateFacts> certificate_facts(std::uint32_t row) const;
  void visit_certificate(std::uint32_t row, const std::function<void(const CertificateState&)>& visit) const;
  std::optional<PolicyState> state(const base_format::Policy& entry) const;
  const base_format::DeviceClass& class_of(std::uint32_t device) const;

  BytesView file_;  // the mapping
  StreamPosition position_;
  std::span<const base_format::Tenant> tenants_;
  std::span<const std::uint32_t> tenants_by_name_;
  std::span<const base_format::Issuer> issuers_;
  std::span<const std::uint32_t> issuers_by_key_;
  std::span<const std::uint32_t> issuers_by_tenant_;
  std::span<const base_format::Policy> policies_;
  std::span<const base_format::DeviceClass> device_classes_;
  base_format::Layout layout_{};
  std::vector<TenantAttributes> attributes_;  // beside tenants_
  PackedTable devices_;
  PackedTable certificates_;
  BytesView pool_;
  // Beside policies_; null until somebody asks. Whoever compiles first puts it there.
  mutable std::vector<std::atomic<const HeldPolicy*>> compiled_;
};

// Facts as states of their own, which view nothing.
TenantState to_state(const TenantFacts& facts);
IssuerState to_state(const IssuerFacts& facts);
DeviceState to_state(const HeldDevice& device);
CertificateState to_state(const Sha256& id, const CertificateFacts& facts);

// What digests are computed over (edge/entity_line.h): an entity as a base holds it, without a device's name, of which
// there is but a hash, and without the second half of a certificate's hash.
IdentityChange held_form(IdentityChange entity);

}  // namespace muster::edge
