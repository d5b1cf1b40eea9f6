// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what certificates of a kind look like. Shape (usages, constraints) follows from the kind; validity and key
// kinds are data of the deployment or tenant.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"
#include "x509/public_key.h"

namespace muster::ca {

enum class CertificateKind : std::uint8_t {
  kDeviceRoot,
  kInfrastructureRoot,
  kPlatformIntermediate,  // under the device root; path length 2: issuing CA, plant CA
  kIssuingCa,             // of a tenant; path length 1; permitted URI host {tenant}.{trust domain}, critical
  kPlantCa,               // under an issuing CA; path length 0; the same constraint
  kDevice,
  kServer,         // infrastructure: serverAuth
  kBroker,         // infrastructure: serverAuth
  kEdge,           // infrastructure: clientAuth
  kOcspResponder,  // OCSPSigning, id-pkix-ocsp-nocheck; under the CA for which it answers
};

bool is_ca_kind(CertificateKind kind);

inline constexpr std::int64_t kMaxShortLivedSeconds = 10 * 86400;

struct ProfileConfig {
  std::string name = "device";
  CertificateKind kind = CertificateKind::kDevice;
  std::int64_t validity_seconds = 365 * 86400;  // 60 to 40 years; never beyond the issuer's notAfter
  std::int64_t backdate_seconds = 300;          // 0 to 86400; notBefore lies this far back, for devices' clocks
  std::vector<x509::KeyAlgorithm> key_algorithms = {x509::KeyAlgorithm::kP256,    x509::KeyAlgorithm::kP384,
                                                    x509::KeyAlgorithm::kEd25519, x509::KeyAlgorithm::kRsa,
                                                    x509::KeyAlgorithm::kMlDsa44, x509::KeyAlgorithm::kMlDsa65,
                                                    x509::KeyAlgorithm::kMlDsa87};
  bool short_lived = false;   // device only, at most kMaxShortLivedSeconds: noRevAvail (RFC 9608) and no pointers
  bool crl_pointer = true;    // cRLDistributionPoints
  bool ocsp_pointer = false;  // authorityInfoAccess with id-ad-ocsp
};

// Profile is a checked ProfileConfig. Immutable.
class Profile {
 public:
  // Reason: profile.invalid; the detail names the offending key.
  static Result<Profile> create(ProfileConfig config);
  // The default of a kind: roots 20 years, intermediate 15, issuing and plant CA 10, device 1, infrastructure 2, OCSP
  // responder 2 days.
  static Profile standard(CertificateKind kind);

  const std::string& name() const { return config_.name; }
  CertificateKind kind() const { return config_.kind; }
  std::chrono::seconds validity() const { return std::chrono::seconds{config_.validity_seconds}; }
  std::chrono::seconds backdate() const { return std::chrono::seconds{config_.backdate_seconds}; }
  bool allows(x509::KeyAlgorithm algorithm) const;
  bool short_lived() const { return config_.short_lived; }
  bool crl_pointer() const { return config_.crl_pointer; }
  bool ocsp_pointer() const { return config_.ocsp_pointer; }
  const ProfileConfig& config() const { return config_; }

 private:
  explicit Profile(ProfileConfig config) : config_(std::move(config)) {}
  ProfileConfig config_;
};

}  // namespace muster::ca
