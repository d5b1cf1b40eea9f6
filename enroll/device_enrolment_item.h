// SPDX-License-Identifier: Apache-2.0
//
// Purpose: one request of a group on its way. Internal to device_enrolment*.cpp.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "enroll/active_profile.h"
#include "enroll/claim_ledger.h"
#include "enroll/device_enrolment.h"
#include "registry/certificate_store.h"
#include "registry/device_store.h"
#include "registry/tenant_store.h"
#include "x509/certificate.h"

namespace muster::enroll {

// What the first transaction asks at once.
struct DeviceEnrolment::Questions {
  db::Later<registry::Tenant> tenant;
  db::Later<std::vector<std::optional<registry::Device>>> devices;  // one per index, in order
  db::Later<std::map<Sha256, registry::CertificateRow>> proofs;     // of the callers that are devices
  ProfileQuestion profiles;
};

struct DeviceEnrolment::Item {
  explicit Item(PreparedRequest r) : request(std::move(r)) {}

  // Forgets what a transaction that was rolled back had found.
  void reset() {
    refusal.reset();
    device.reset();
    claim.reset();
    on_allow_list = false;
    old_key.clear();
    profile = request.profile;
    active.reset();
    made_device = false;
    proved.reset();
  }
  bool alive() const { return !refusal.has_value(); }
  bool may_create() const {
    if (request.caller.role == CallerRole::kClaim) return claim && claim->terms.may_create;
    return request.create == CreateDevice::kYes && request.caller.role != CallerRole::kDevice;
  }
  // A factory and most claims may have the first certificate of a device only.
  bool first_only() const {
    const CallerRole role = request.caller.role;
    return role == CallerRole::kFactory || (role == CallerRole::kClaim && !(claim && claim->terms.may_reissue));
  }

  PreparedRequest request;
  std::optional<Error> refusal;
  std::optional<registry::Device> device;
  std::optional<registry::Claim> claim;            // kClaim: once it was admitted
  bool on_allow_list = false;                      // of the factory's token
  bool made_device = false;                        // transaction 1 registered it for this request
  std::optional<registry::CertificateRow> proved;  // kDevice: the certificate of ours that the caller proved
  std::string profile;                             // it is issued under: a device's is that of its certificate
  std::optional<ActiveProfile> active;             // with the issuer whose certificate was built
  std::string old_key;                             // SPKI hash of the device's newest certificate so far
  Bytes serial;
  std::uint32_t crl_shard = 0;
  Bytes tbs;
  std::optional<x509::Certificate> certificate;
  std::optional<LogInclusion> log;
};

}  // namespace muster::enroll
