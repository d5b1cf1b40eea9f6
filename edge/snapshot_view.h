// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the one implementation of IdentityView: a mapped base file under a few layers of changes. A change makes a
// new view that shares the base and all but the smallest layers with the old one, so a delta costs time in proportion
// to its own size (amortised, with a logarithm for merging layers), however large the fleet is.
// Immutable, thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "edge/identity_view.h"

namespace muster::edge {

class BaseFile;
class ChangeLayer;

class SnapshotView final : public IdentityView {
 public:
  explicit SnapshotView(std::shared_ptr<const BaseFile> base);
  ~SnapshotView() override;

  // The same state with `changes` applied, at `position`.
  std::shared_ptr<const SnapshotView> with(const StreamPosition& position,
                                           std::span<const IdentityChange> changes) const;

  StreamPosition position() const override { return position_; }
  std::optional<CertificateFacts> find_certificate(const Sha256& id) const override;
  std::optional<DeviceFacts> find_device(const DeviceId& id) const override;
  std::optional<TenantFacts> find_tenant(const TenantId& id) const override;
  std::optional<TenantFacts> find_tenant_by_name(std::string_view name) const override;
  std::vector<IssuerFacts> find_issuers_by_key(const Sha256& spki_sha256) const override;
  std::vector<IssuerFacts> issuers() const override;

  // The present state of the entity that `other` is a state of (same kind and id); nullopt when it is not held.
  std::optional<IdentityChange> find_same(const IdentityChange& other) const;
  // Calls `visit` once for every entity held, those that are kGone included.
  void for_each(const std::function<void(const IdentityChange&)>& visit) const;
  // Those that end before `time`, what is gone included. Looks at every certificate, but makes states of these only.
  void for_each_certificate_until(UtcTime time, const std::function<void(const CertificateState&)>& visit) const;
  std::size_t layer_count() const { return layers_.size(); }

 private:
  SnapshotView(const SnapshotView&) = default;
  std::optional<IssuerFacts> find_issuer(const IssuerId& id) const;
  const Policy* policy_for(const PolicyId& policy_id, const TenantId& tenant_id) const;
  // The device's policy, whose `facts` lack it; `own` nil: it has none of its own.
  const Policy* policy_in_force_for(const DeviceFacts& facts, const PolicyId& own) const;

  std::shared_ptr<const BaseFile> base_;
  std::vector<std::shared_ptr<const ChangeLayer>> layers_;  // oldest and largest first
  StreamPosition position_;
};

}  // namespace muster::edge
