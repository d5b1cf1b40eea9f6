// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a fleet to measure with: its entities as the server would send them, one by one, so that a million devices
// need no memory. The same number and seed give the same fleet.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "edge/identity_change.h"

namespace muster::bench {

struct FleetShape {
  std::size_t devices = 1'000'000;
  bool unique_labels = false;  // each device has a label of its own, a serial number
  std::size_t tenants() const { return devices < 1000 ? 1 : devices / 1000; }
  std::size_t policies() const { return devices < 100 ? 1 : devices / 100; }
  std::size_t revoked() const { return devices / 10; }
  std::size_t second_certificates() const { return devices / 100; }
};

class Fleet {
 public:
  explicit Fleet(const FleetShape& shape);
  // All entities, those that are gone included: tenants, issuers, policies, devices, certificates.
  void for_each(const std::function<void(const edge::IdentityChange&)>& visit) const;

  const FleetShape& shape() const { return shape_; }
  const edge::TenantState& tenant_of(std::size_t device) const { return tenants_[device % tenants_.size()]; }
  const edge::IssuerState& issuer_of(std::size_t device) const { return issuers_[device % tenants_.size()]; }
  edge::DeviceState device(std::size_t i) const;
  edge::CertificateState certificate(std::size_t i) const;
  edge::CertificateState second_certificate(std::size_t i) const;

 private:
  edge::CertificateState certificate(std::size_t device, std::uint64_t serial) const;
  edge::PolicyState policy(std::size_t i) const;

  FleetShape shape_;
  std::vector<edge::TenantState> tenants_;
  std::vector<edge::IssuerState> issuers_;  // one a tenant, with a certificate that can be read
};

}  // namespace muster::bench
