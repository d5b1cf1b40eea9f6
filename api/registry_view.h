// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the registry's present state in the form that brokers decide on, read as it is asked for in one transaction.
// A broker of ours holds all of it in memory; whoever decides here about one client needs half a dozen rows.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/policy.h"
#include "db/transaction.h"
#include "edge/identity_view.h"
#include "registry/entity_loader.h"

namespace muster::api {

// RegistryView answers as an edge's snapshot of this moment would. A row that could not be read is one that is not
// there, which refuses, and failure() says why. Confined to the transaction's thread, valid within its body; its scope
// is system, on entry and after every call. Its const functions read and remember.
class RegistryView final : public edge::IdentityView {
 public:
  // `tenants` empty: all; otherwise nothing of any other tenant is seen.
  RegistryView(db::Transaction& tx, std::vector<TenantId> tenants, UtcTime now);

  // Makes the issuers known that may have to do with this certificate: those of the tenant it is listed for, or the
  // trust anchors that are called as its issuer.
  Result<void> load_issuers_for(BytesView certificate);
  // The tenant's own issuing CAs.
  Result<void> load_issuers_of(const TenantId& tenant);

  const Result<void>& failure() const { return failure_; }

  edge::StreamPosition position() const override { return {}; }
  std::optional<edge::CertificateFacts> find_certificate(const Sha256& id) const override;
  std::optional<edge::DeviceFacts> find_device(const DeviceId& id) const override;
  std::optional<edge::TenantFacts> find_tenant(const TenantId& id) const override;
  std::optional<edge::TenantFacts> find_tenant_by_name(std::string_view name) const override;
  std::vector<edge::IssuerFacts> find_issuers_by_key(const Sha256& spki_sha256) const override;
  std::vector<edge::IssuerFacts> issuers() const override;

  // Says that the device is of this tenant, where no certificate has said so.
  void name_tenant(const DeviceId& device, const TenantId& tenant) { tenants_of_.insert_or_assign(device, tenant); }
  bool sees(const TenantId& tenant) const;

 private:
  struct HeldDevice {
    edge::DeviceState state;
    Policy policy;  // as compiled; one that is missing or gone allows nothing
    std::vector<std::string_view> groups;
    std::vector<std::pair<std::string_view, std::string_view>> labels;
  };
  Result<void> add_issuers(std::span<const registry::ChangeRecord> wanted);
  Result<void> load_anchors_called(BytesView issuer_name);
  Result<std::vector<registry::EntityFacts>> load(registry::EntityKind kind, const TenantId& tenant,
                                                  BytesView id) const;
  Result<std::optional<edge::CertificateFacts>> read_certificate(const Sha256& id) const;
  Result<std::optional<edge::CertificateFacts>> read_credential(const Sha256& id) const;
  Result<std::unique_ptr<HeldDevice>> read_device(const TenantId& tenant, const DeviceId& id) const;
  Result<Policy> read_policy(const TenantId& tenant, const PolicyId& id) const;
  template <typename T>
  std::optional<T> noted(Result<std::optional<T>> answer) const;

  db::Transaction& tx_;
  const std::vector<TenantId> tenants_;
  const UtcTime now_;
  std::vector<edge::IssuerState> issuers_;
  std::set<TenantId> anchored_;  // tenants whose anchors were loaded: credentials are looked for there
  mutable Result<void> failure_;
  mutable std::map<Sha256, std::optional<edge::CertificateFacts>> certificates_;
  mutable std::map<DeviceId, std::unique_ptr<HeldDevice>> devices_;  // nullptr: there is none
  mutable std::map<TenantId, std::optional<edge::TenantState>> tenants_read_;
  mutable std::map<DeviceId, TenantId> tenants_of_;
};

}  // namespace muster::api
