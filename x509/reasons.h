// SPDX-License-Identifier: Apache-2.0
//
// Purpose: every reason that x509/ gives, once. HTTP: csr.* and certificate.* are 400 (what the caller sent cannot be
// used), chain.* are findings of a validation or a refused TLS handshake, key.* travel inside csr.*.
#pragma once

#include <string_view>

namespace muster::x509::reasons {

// A PKCS#10 request (RFC 2986)
inline constexpr std::string_view kCsrTooLarge = "csr.too_large";
inline constexpr std::string_view kCsrMalformed = "csr.malformed";
inline constexpr std::string_view kCsrTooManyExtensions = "csr.too_many_extensions";
inline constexpr std::string_view kCsrKeyUnsupported = "csr.key_unsupported";
inline constexpr std::string_view kCsrKeyWeak = "csr.key_weak";
inline constexpr std::string_view kCsrKeyBlocked = "csr.key_blocked";  // on the operator's list of known keys
inline constexpr std::string_view kCsrSignatureInvalid = "csr.signature_invalid";  // no proof of possession

// One certificate, read (RFC 5280 §4)
inline constexpr std::string_view kCertificateTooLarge = "certificate.too_large";
inline constexpr std::string_view kCertificateMalformed = "certificate.malformed";
inline constexpr std::string_view kCertificatePemInvalid = "certificate.pem_invalid";
inline constexpr std::string_view kCertificateVersionUnsupported = "certificate.version_unsupported";
inline constexpr std::string_view kCertificateSerialInvalid = "certificate.serial_invalid";
inline constexpr std::string_view kCertificateTimeInvalid = "certificate.time_invalid";
inline constexpr std::string_view kCertificateTooManyExtensions = "certificate.too_many_extensions";
inline constexpr std::string_view kCertificateExtensionDuplicate = "certificate.extension_duplicate";
inline constexpr std::string_view kCertificateAlgorithmMismatch = "certificate.algorithm_mismatch";
inline constexpr std::string_view kCertificateSanInvalid = "certificate.san_invalid";

// A certification path (RFC 5280 §6)
inline constexpr std::string_view kChainTooManyPresented = "chain.too_many_presented";
inline constexpr std::string_view kChainAnchorNotACa = "chain.anchor_not_a_ca";
inline constexpr std::string_view kChainAnchorUnknown = "chain.anchor_unknown";  // no path to any anchor's key
inline constexpr std::string_view kChainTooLong = "chain.too_long";
inline constexpr std::string_view kChainSearchExhausted = "chain.search_exhausted";
inline constexpr std::string_view kChainExpired = "chain.expired";
inline constexpr std::string_view kChainNotYetValid = "chain.not_yet_valid";
inline constexpr std::string_view kChainLeafIsCa = "chain.leaf_is_ca";
inline constexpr std::string_view kChainIssuerNotACa = "chain.issuer_not_a_ca";
inline constexpr std::string_view kChainIssuerKeyUsage = "chain.issuer_key_usage";
inline constexpr std::string_view kChainPathLengthExceeded = "chain.path_length_exceeded";
inline constexpr std::string_view kChainKeyUsageMissing = "chain.key_usage_missing";
inline constexpr std::string_view kChainEkuClientAuthMissing = "chain.eku_client_auth_missing";
inline constexpr std::string_view kChainEkuServerAuthMissing = "chain.eku_server_auth_missing";
inline constexpr std::string_view kChainUnknownCriticalExtension = "chain.unknown_critical_extension";
inline constexpr std::string_view kChainNameConstraintViolated = "chain.name_constraint_violated";
inline constexpr std::string_view kChainNameConstraintUnsupported = "chain.name_constraint_unsupported";
inline constexpr std::string_view kChainUriSanNotUnique = "chain.uri_san_not_unique";  // none, two, or other names
inline constexpr std::string_view kChainKeyUnsupported = "chain.key_unsupported";      // the leaf's own key
inline constexpr std::string_view kChainNameConstraintMalformed = "chain.name_constraint_malformed";
inline constexpr std::string_view kChainNameConstraintsTooCostly = "chain.name_constraints_too_costly";
inline constexpr std::string_view kChainExtensionMalformed = "chain.extension_malformed";  // one that only §6 reads
inline constexpr std::string_view kChainTooManyPolicies = "chain.too_many_policies";
inline constexpr std::string_view kChainPolicyMappingInvalid = "chain.policy_mapping_invalid";  // to or from anyPolicy
inline constexpr std::string_view kChainPolicyMissing = "chain.policy_missing";  // one is required, none is valid
inline constexpr std::string_view kChainRevoked = "chain.revoked";
inline constexpr std::string_view kChainRevocationUnknown = "chain.revocation_unknown";  // no CRL that speaks for it
inline constexpr std::string_view kChainProfileViolated = "chain.profile_violated";      // RFC 5280 §4: parameter says

// A customer's own PKI (x509/external_chain.h)
inline constexpr std::string_view kExternalDeviceIdMissing = "external.device_id_missing";  // not where the rule says
inline constexpr std::string_view kExternalDeviceIdAmbiguous = "external.device_id_ambiguous";  // two candidates
inline constexpr std::string_view kExternalDeviceIdInvalid = "external.device_id_invalid";      // not a device name
inline constexpr std::string_view kExternalRevoked = "external.revoked";
inline constexpr std::string_view kExternalCrlMissing = "external.crl_missing";
inline constexpr std::string_view kExternalCrlExpired = "external.crl_expired";

// Keys and signatures
inline constexpr std::string_view kKeyMalformed = "key.malformed";
inline constexpr std::string_view kKeyAlgorithmUnsupported = "key.algorithm_unsupported";
inline constexpr std::string_view kKeyAlgorithmUnavailable = "key.algorithm_unavailable";  // of this OpenSSL or token
inline constexpr std::string_view kKeySizeUnsupported = "key.size_unsupported";
inline constexpr std::string_view kKeyExponentUnsupported = "key.exponent_unsupported";
inline constexpr std::string_view kKeyPointInvalid = "key.point_invalid";
inline constexpr std::string_view kKeyWeak = "key.weak";
inline constexpr std::string_view kKeyListMalformed = "key.list_malformed";
inline constexpr std::string_view kSignatureAlgorithmUnsupported = "signature.algorithm_unsupported";
inline constexpr std::string_view kSignatureInvalid = "signature.invalid";

// CRLs and DER
inline constexpr std::string_view kCrlTooLarge = "crl.too_large";
inline constexpr std::string_view kCrlMalformed = "crl.malformed";
inline constexpr std::string_view kCrlExtensionUnsupported = "crl.extension_unsupported";
inline constexpr std::string_view kCrlIssuerMismatch = "crl.issuer_mismatch";
inline constexpr std::string_view kCrlIssuerKeyUsage = "crl.issuer_key_usage";  // keyUsage without cRLSign
inline constexpr std::string_view kCrlIndirectUnsupported = "crl.indirect_unsupported";
inline constexpr std::string_view kCrlAttributeOnly = "crl.attribute_only";
inline constexpr std::string_view kCrlDeltaUnexpected = "crl.delta_unexpected";
inline constexpr std::string_view kCrlNumberMissing = "crl.number_missing";
inline constexpr std::string_view kCrlNotYetValid = "crl.not_yet_valid";
inline constexpr std::string_view kCrlExpired = "crl.expired";
inline constexpr std::string_view kCrlTooOld = "crl.too_old";  // thisUpdate, by the caller's limit
inline constexpr std::string_view kCrlNextUpdateMissing = "crl.next_update_missing";
inline constexpr std::string_view kCrlOlderThanHeld = "crl.older_than_held";

// OCSP requests
inline constexpr std::string_view kOcspMalformed = "ocsp.malformed";
inline constexpr std::string_view kOcspTooManyCertificates = "ocsp.too_many_certificates";

}  // namespace muster::x509::reasons
