// SPDX-License-Identifier: Apache-2.0
#include "ca/profile.h"

#include <algorithm>

#include "ca/reasons.h"

namespace muster::ca {

namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kYear = 365 * kDay;
constexpr std::int64_t kMinValidity = 60;
constexpr std::int64_t kMaxValidity = 40 * kYear;
constexpr std::int64_t kMaxBackdate = kDay;
constexpr std::size_t kMaxName = 64;

std::int64_t standard_validity(CertificateKind kind) {
  switch (kind) {
    case CertificateKind::kDeviceRoot:
    case CertificateKind::kInfrastructureRoot: return 20 * kYear;
    case CertificateKind::kPlatformIntermediate: return 15 * kYear;
    case CertificateKind::kIssuingCa:
    case CertificateKind::kPlantCa: return 10 * kYear;
    case CertificateKind::kDevice: return kYear;
    case CertificateKind::kServer:
    case CertificateKind::kBroker:
    case CertificateKind::kEdge: return 2 * kYear;
    // Nobody can revoke it (nocheck), so it ends soon.
    case CertificateKind::kOcspResponder: return 2 * kDay;
  }
  return 0;
}

std::string standard_name(CertificateKind kind) {
  switch (kind) {
    case CertificateKind::kDeviceRoot: return "device-root";
    case CertificateKind::kInfrastructureRoot: return "infrastructure-root";
    case CertificateKind::kPlatformIntermediate: return "platform-intermediate";
    case CertificateKind::kIssuingCa: return "issuing-ca";
    case CertificateKind::kPlantCa: return "plant-ca";
    case CertificateKind::kDevice: return "device";
    case CertificateKind::kServer: return "server";
    case CertificateKind::kBroker: return "broker";
    case CertificateKind::kEdge: return "edge";
    case CertificateKind::kOcspResponder: return "ocsp-responder";
  }
  return {};
}

Error invalid(std::string detail) {
  return Error{ErrorCode::kInvalidArgument, reasons::kProfileInvalid, std::move(detail)};
}

}  // namespace

bool is_ca_kind(CertificateKind kind) {
  switch (kind) {
    case CertificateKind::kDeviceRoot:
    case CertificateKind::kInfrastructureRoot:
    case CertificateKind::kPlatformIntermediate:
    case CertificateKind::kIssuingCa:
    case CertificateKind::kPlantCa: return true;
    case CertificateKind::kDevice:
    case CertificateKind::kServer:
    case CertificateKind::kBroker:
    case CertificateKind::kEdge:
    case CertificateKind::kOcspResponder: return false;
  }
  return false;
}

Result<Profile> Profile::create(ProfileConfig config) {
  if (config.name.empty() || config.name.size() > kMaxName) return invalid("name");
  if (config.validity_seconds < kMinValidity || config.validity_seconds > kMaxValidity) {
    return invalid("validity_seconds");
  }
  if (config.backdate_seconds < 0 || config.backdate_seconds > kMaxBackdate) return invalid("backdate_seconds");
  if (config.key_algorithms.empty()) return invalid("key_algorithms");
  if (config.short_lived) {
    if (config.kind != CertificateKind::kDevice) return invalid("short_lived");
    if (config.validity_seconds > kMaxShortLivedSeconds) return invalid("validity_seconds");
    // [RFC9608 4] noRevAvail must not stand beside a pointer to revocation data
    if (config.crl_pointer) return invalid("crl_pointer");
    if (config.ocsp_pointer) return invalid("ocsp_pointer");
  }
  return Profile{std::move(config)};
}

Profile Profile::standard(CertificateKind kind) {
  ProfileConfig config;
  config.name = standard_name(kind);
  config.kind = kind;
  config.validity_seconds = standard_validity(kind);
  config.crl_pointer = kind != CertificateKind::kOcspResponder;
  return Profile{std::move(config)};
}

bool Profile::allows(x509::KeyAlgorithm algorithm) const {
  return std::ranges::find(config_.key_algorithms, algorithm) != config_.key_algorithms.end();
}

}  // namespace muster::ca
