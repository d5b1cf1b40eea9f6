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
// 403: a device renews under the profile of the certificate it proved; another one is an administrator's to give.
inline constexpr std::string_view kProfileForbidden = "enroll.profile_forbidden";
inline constexpr std::string_view kProfileIssuerInactive = "enroll.profile_issuer_inactive";  // 409
inline constexpr std::string_view kNameInvalid = "enroll.name_invalid";  // 400: a broker's or server's name
// 403, the one answer to a claim that is refused. The others stand in the audit only.
inline constexpr std::string_view kClaimRefused = "claim.refused";
inline constexpr std::string_view kClaimUnknown = "claim.unknown";
inline constexpr std::string_view kClaimRevoked = "claim.revoked";
inline constexpr std::string_view kClaimExpired = "claim.expired";
inline constexpr std::string_view kClaimUsedUp = "claim.used_up";
inline constexpr std::string_view kClaimNetworkNotCovered = "claim.network_not_covered";
inline constexpr std::string_view kClaimDeviceNotCovered = "claim.device_not_covered";
inline constexpr std::string_view kClaimProfileNotCovered = "claim.profile_not_covered";
inline constexpr std::string_view kClaimDeviceUnknown = "claim.device_unknown";
inline constexpr std::string_view kClaimGroupDiffers = "claim.group_differs";
inline constexpr std::string_view kClaimDeviceHasCertificate = "claim.device_has_certificate";
inline constexpr std::string_view kClaimNetworkInvalid = "claim.network_invalid";    // 400: making one
inline constexpr std::string_view kServerKeyGenerationOff = "est.serverkeygen_off";  // 403: the tenant's choice
inline constexpr std::string_view kConfigInvalid = "config.enroll_invalid";          // the detail names the key
inline constexpr std::string_view kNotInitialised = "enroll.not_initialised";        // 503
// 409: the device root is offline and has not signed the platform's CA yet; the detail says what to do.
inline constexpr std::string_view kIntermediateMissing = "enroll.intermediate_missing";
inline constexpr std::string_view kSelectionInvalid = "revocation.selection_invalid";  // 400: of a bulk revocation
inline constexpr std::string_view kShardUnknown = "enroll.crl_shard_unknown";          // 404
// 409. One reason for: the key of a CA, of another device (any tenant), or revoked for keyCompromise, so that the
// answer does not tell who holds a key.
inline constexpr std::string_view kKeyAlreadyUsed = "csr.key_already_used";

// Life of issuers. 400 where the request is at fault, 409 where the issuer's state forbids it.
inline constexpr std::string_view kIssuerSlotInvalid = "issuer.slot_invalid";
inline constexpr std::string_view kIssuerTooMany = "issuer.too_many";        // 409: retire some
inline constexpr std::string_view kIssuerInUse = "issuer.in_use";            // 409: the detail counts certificates
inline constexpr std::string_view kIssuerLastActive = "issuer.last_active";  // 409: nobody would sign in this slot
inline constexpr std::string_view kIssuerNoCertificate = "issuer.certificate_missing";  // 409: not installed yet
inline constexpr std::string_view kIncidentTooMany = "incident.too_many";               // 409
// What is wrong with a chain for an issuer; all 400.
inline constexpr std::string_view kChainMalformed = "issuer.chain_malformed";
inline constexpr std::string_view kChainIncomplete = "issuer.chain_incomplete";  // does not end in a self-signed root
inline constexpr std::string_view kChainKeyMismatch = "issuer.key_mismatch";     // another key than the request's
inline constexpr std::string_view kChainNotCa = "issuer.not_ca";
inline constexpr std::string_view kChainKeyUsage = "issuer.key_usage_missing";  // keyCertSign and cRLSign
inline constexpr std::string_view kChainExtendedKeyUsage = "issuer.extended_key_usage";
inline constexpr std::string_view kChainPathLength = "issuer.path_length";
inline constexpr std::string_view kChainNameConstraints = "issuer.name_constraints";
inline constexpr std::string_view kChainNotValidNow = "issuer.not_valid_now";
inline constexpr std::string_view kChainSignatureWeak = "issuer.signature_algorithm";  // SHA-1 and older, or unknown
inline constexpr std::string_view kChainSignature = "issuer.signature_invalid";
inline constexpr std::string_view kChainExtension = "issuer.critical_extension";
inline constexpr std::string_view kChainKeyId = "issuer.subject_key_id_missing";
inline constexpr std::string_view kChainSubject = "issuer.subject_empty";
inline constexpr std::string_view kChainSubjectDiffers = "issuer.subject_differs";  // of a cross-certificate
inline constexpr std::string_view kChainKeyWeak = "issuer.key_unsupported";         // of a CA above

// Tenants' own PKI. 400 where nothing else is said.
inline constexpr std::string_view kAnchorInvalid = "trust_anchor.invalid";      // not PEM certificates, or too many
inline constexpr std::string_view kAnchorNotACa = "trust_anchor.not_a_ca";      // it, or an intermediate
inline constexpr std::string_view kAnchorNotValid = "trust_anchor.not_valid";   // expired, or not valid yet
inline constexpr std::string_view kAnchorKeyWeak = "trust_anchor.key_weak";     // blocked, or of another kind
inline constexpr std::string_view kAnchorKeyOurs = "trust_anchor.key_refused";  // 409: of a CA of this deployment
inline constexpr std::string_view kAnchorChainBroken = "trust_anchor.intermediate_unsigned";  // not under the anchor
inline constexpr std::string_view kAnchorFieldInvalid = "trust_anchor.field_invalid";         // the detail names it
inline constexpr std::string_view kAnchorVerified = "trust_anchor.already_verified";          // 409: a code counts once
inline constexpr std::string_view kAnchorCodeExpired = "trust_anchor.code_expired";           // 409
inline constexpr std::string_view kAnchorProofInvalid = "trust_anchor.proof_invalid";  // not signed by the anchor's key
inline constexpr std::string_view kAnchorProofDiffers = "trust_anchor.proof_code_differs";  // made for another anchor
inline constexpr std::string_view kAnchorStatusInvalid = "trust_anchor.status_invalid";     // 409: no such step
inline constexpr std::string_view kAnchorUnverified = "trust_anchor.unverified";            // 409
inline constexpr std::string_view kCrlIssuerUnknown = "crl.issuer_unknown";  // neither the anchor nor its intermediates
inline constexpr std::string_view kCrlTooManyEntries = "crl.too_many_entries";  // 413
// Findings of a validation by the tenant's own trust anchors; the broker's reasons are called the same
inline constexpr std::string_view kAnchorSuspended = "trust_anchor.suspended";
inline constexpr std::string_view kDeviceNotRegistered = "device.not_registered";
// Why a device did not register itself; the server's answer to an edge
inline constexpr std::string_view kRegistrationOff = "registration.off";
inline constexpr std::string_view kRegistrationDenied = "registration.denied";
inline constexpr std::string_view kRegistrationLimit = "registration.limit_reached";
inline constexpr std::string_view kRegistrationRate = "registration.too_fast";
inline constexpr std::string_view kRegistrationNameTaken = "registration.name_taken";      // now or ever
inline constexpr std::string_view kRegistrationTenant = "registration.tenant_not_served";  // by this edge

// Findings of a validation that the registry adds to those of the path
inline constexpr std::string_view kValidationNotIssued = "validation.not_issued";
inline constexpr std::string_view kValidationRevoked = "validation.revoked";
inline constexpr std::string_view kValidationDeviceInactive = "validation.device_inactive";
inline constexpr std::string_view kValidationTenantMismatch = "validation.tenant_mismatch";

inline constexpr std::string_view kTokenKeyInUse = "key.in_use";                  // a CA's, or being made now
inline constexpr std::string_view kTileNotFound = "transparency.tile_not_found";  // not there, or not yet that wide

}  // namespace muster::enroll::reasons
