// SPDX-License-Identifier: Apache-2.0
//
// Purpose: every reason that enroll/ gives itself, once, with its HTTP status. Besides these it passes on those of
// x509/, ca/, registry/ (tenant.not_found, device.not_found, certificate.not_found …) and db/.
#pragma once

#include <string_view>

namespace muster::enroll::reasons {

inline constexpr std::string_view kCallerForbidden = "enroll.caller_forbidden";                 // 403
inline constexpr std::string_view kFactoryFirstOnly = "enroll.factory_first_certificate_only";  // 403
// 403: a factory neither created the device nor has it on its token's list.
inline constexpr std::string_view kDeviceNotAllowed = "enroll.device_not_allowed";
inline constexpr std::string_view kTenantInactive = "enroll.tenant_inactive";  // 412
inline constexpr std::string_view kDeviceInactive = "enroll.device_inactive";  // 412
inline constexpr std::string_view kProfileUnknown = "enroll.profile_unknown";  // 400
inline constexpr std::string_view kNameInvalid = "enroll.name_invalid";        // 400: a broker's or server's name
inline constexpr std::string_view kConfigInvalid = "config.enroll_invalid";    // the detail names the key
inline constexpr std::string_view kNotInitialised = "enroll.not_initialised";  // 503
inline constexpr std::string_view kShardUnknown = "enroll.crl_shard_unknown";  // 404
// 409. One reason for: the key of a CA, of another device (any tenant), or revoked for keyCompromise, so that the
// answer does not tell who holds a key.
inline constexpr std::string_view kKeyAlreadyUsed = "csr.key_already_used";

// Findings of a validation that the registry adds to those of the path
inline constexpr std::string_view kValidationNotIssued = "validation.not_issued";
inline constexpr std::string_view kValidationRevoked = "validation.revoked";
inline constexpr std::string_view kValidationDeviceInactive = "validation.device_inactive";
inline constexpr std::string_view kValidationTenantMismatch = "validation.tenant_mismatch";

}  // namespace muster::enroll::reasons
