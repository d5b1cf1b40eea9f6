// SPDX-License-Identifier: Apache-2.0
//
// Purpose: every reason that ca/ gives, once. lint.* and signer.* mean a fault of ours, never of the caller: HTTP 500,
// nothing was signed.
#pragma once

#include <string_view>

namespace muster::ca::reasons {

inline constexpr std::string_view kKekInvalid = "kek.invalid";  // not 32 octets or 64 hexadecimal digits
inline constexpr std::string_view kKekUnknown = "kek.unknown";  // the file lacks the key that wraps this blob
inline constexpr std::string_view kKeyUnwrapFailed = "key.unwrap_failed";
inline constexpr std::string_view kKeyMismatch = "key.mismatch";        // the stored key is not the issuer's
inline constexpr std::string_view kKeyNotFound = "key.not_found";       // the token has no such key, or several
inline constexpr std::string_view kKeyExtractable = "key.extractable";  // a token's key that can leave it
inline constexpr std::string_view kTokenConfigInvalid = "token.config_invalid";

inline constexpr std::string_view kSignerKeyNotLoaded = "signer.key_not_loaded";
inline constexpr std::string_view kSignerIssuerMismatch = "signer.issuer_mismatch";
inline constexpr std::string_view kSignerUnavailable = "signer.unavailable";
inline constexpr std::string_view kSignerTokenUnavailable = "signer.token_unavailable";  // HTTP 503: try again later
inline constexpr std::string_view kSignerTokenPinRefused = "signer.token_pin_refused";   // 503 until the file changes
inline constexpr std::string_view kSignerStoreNotConfigured = "signer.store_not_configured";

inline constexpr std::string_view kProfileInvalid = "profile.invalid";
inline constexpr std::string_view kProfileKeyNotAllowed = "profile.key_not_allowed";
inline constexpr std::string_view kProfileIssuerExpired = "profile.issuer_expired";
inline constexpr std::string_view kProfileNameInvalid = "profile.name_invalid";

inline constexpr std::string_view kLintMalformed = "lint.malformed";
inline constexpr std::string_view kLintSerial = "lint.serial";
inline constexpr std::string_view kLintAlgorithm = "lint.algorithm";
inline constexpr std::string_view kLintIssuer = "lint.issuer";
inline constexpr std::string_view kLintSubject = "lint.subject";
inline constexpr std::string_view kLintValidity = "lint.validity";
inline constexpr std::string_view kLintKey = "lint.key";
inline constexpr std::string_view kLintExtensions = "lint.extensions";  // one missing, unexpected or wrongly critical
inline constexpr std::string_view kLintBasicConstraints = "lint.basic_constraints";
inline constexpr std::string_view kLintKeyUsage = "lint.key_usage";
inline constexpr std::string_view kLintExtendedKeyUsage = "lint.extended_key_usage";
inline constexpr std::string_view kLintSubjectAltName = "lint.subject_alt_name";
inline constexpr std::string_view kLintNameConstraints = "lint.name_constraints";
inline constexpr std::string_view kLintKeyIdentifier = "lint.key_identifier";
inline constexpr std::string_view kLintDistributionPoint = "lint.distribution_point";
inline constexpr std::string_view kLintInformationAccess = "lint.information_access";
inline constexpr std::string_view kLintEntries = "lint.entries";               // of a CRL, or answers of OCSP
inline constexpr std::string_view kLintSignedDiffers = "lint.signed_differs";  // signed bytes are not the linted ones

// Transparency log.
inline constexpr std::string_view kTreeRangeInvalid = "transparency.range_invalid";
inline constexpr std::string_view kFrontierInvalid = "transparency.frontier_invalid";      // the stored head is damaged
inline constexpr std::string_view kCheckpointInvalid = "transparency.checkpoint_invalid";  // signature, origin or form
inline constexpr std::string_view kLogKeyInvalid = "transparency.key_invalid";

}  // namespace muster::ca::reasons
