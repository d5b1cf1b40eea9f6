// SPDX-License-Identifier: Apache-2.0
//
// Purpose: every reason that enroll/ gives, once, with its HTTP status.
#pragma once

#include <string_view>

namespace muster::enroll::reasons {

inline constexpr std::string_view kCallerForbidden = "enroll.caller_forbidden";                // 403
inline constexpr std::string_view kFactoryFirstOnly = "enroll.factory_first_certificate_only";  // 403
inline constexpr std::string_view kTenantUnknown = "enroll.tenant_unknown";                     // 404
inline constexpr std::string_view kTenantInactive = "enroll.tenant_inactive";                   // 409
inline constexpr std::string_view kDeviceUnknown = "enroll.device_unknown";                     // 404
inline constexpr std::string_view kDeviceInactive = "enroll.device_inactive";                   // 409
inline constexpr std::string_view kProfileUnknown = "enroll.profile_unknown";                   // 400
inline constexpr std::string_view kIssuerUnavailable = "enroll.issuer_unavailable";             // 409: no active one
inline constexpr std::string_view kIssuerUnknown = "enroll.issuer_unknown";                     // 404
inline constexpr std::string_view kCertificateUnknown = "enroll.certificate_unknown";           // 404
inline constexpr std::string_view kSerialAmbiguous = "enroll.serial_ambiguous";                 // 409
inline constexpr std::string_view kRevocationReasonInvalid = "enroll.revocation_reason_invalid";  // 400
inline constexpr std::string_view kIntentUnknown = "enroll.intent_unknown";                     // 404
inline constexpr std::string_view kNotInitialised = "enroll.not_initialised";                   // 503
inline constexpr std::string_view kEdgeUnknown = "enroll.edge_unknown";                         // 404
inline constexpr std::string_view kNameInvalid = "enroll.name_invalid";                         // 400: broker or server name
// 409. One reason for: the key of a CA, of another device (any tenant), or revoked for keyCompromise, so that the
// answer does not tell who holds a key.
inline constexpr std::string_view kKeyAlreadyUsed = "csr.key_already_used";

}  // namespace muster::enroll::reasons
