// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the reasons that registry/ returns. Code in brackets decides the HTTP status.
#pragma once

#include <string_view>

namespace muster::registry {

inline constexpr std::string_view kTenantNotFound = "tenant.not_found";  // kNotFound
inline constexpr std::string_view kTenantExists = "tenant.exists";       // kAlreadyExists
inline constexpr std::string_view kTenantNameHeld = "tenant.name_held";  // kConflict: the old one is not forgotten
inline constexpr std::string_view kTenantStatusInvalid = "tenant.status_invalid";  // kFailedPrecondition: no such step
inline constexpr std::string_view kTenantInactive =
    "tenant.inactive";  // kFailedPrecondition: suspended or being deleted
inline constexpr std::string_view kDeviceNotFound = "device.not_found";
inline constexpr std::string_view kDeviceExists = "device.exists";
inline constexpr std::string_view kDeviceNameHeld = "device.name_held";
inline constexpr std::string_view kDeviceStatusInvalid = "device.status_invalid";
inline constexpr std::string_view kLabelInvalid = "device.label_invalid";  // kInvalidArgument
inline constexpr std::string_view kGroupInvalid = "device.group_invalid";  // kInvalidArgument
inline constexpr std::string_view kCommandNotFound = "command.not_found";
inline constexpr std::string_view kCommandNameInvalid = "command.name_invalid";   // kInvalidArgument
inline constexpr std::string_view kCommandTooManyOpen = "command.too_many_open";  // kFailedPrecondition: of this device
inline constexpr std::string_view kPolicyNotFound = "policy.not_found";
inline constexpr std::string_view kPolicyExists = "policy.exists";
inline constexpr std::string_view kPolicyInUse = "policy.in_use";  // kFailedPrecondition
inline constexpr std::string_view kPolicyNameInvalid = "policy.name_invalid";
inline constexpr std::string_view kPolicyTooManyGroups = "policy.too_many_groups";  // kFailedPrecondition
inline constexpr std::string_view kGroupPolicyNotFound = "group.policy_not_found";
inline constexpr std::string_view kGrantNotFound = "grant.not_found";
inline constexpr std::string_view kGrantFilterInvalid = "grant.filter_invalid";  // kInvalidArgument
inline constexpr std::string_view kGrantActionInvalid = "grant.action_invalid";  // kInvalidArgument
inline constexpr std::string_view kGrantLimitInvalid = "grant.limit_invalid";    // kInvalidArgument
inline constexpr std::string_view kGrantSameDevice = "grant.same_device";        // kInvalidArgument
inline constexpr std::string_view kGrantLimitReached = "grant.limit_reached";    // kFailedPrecondition
inline constexpr std::string_view kProfileNotFound = "profile.not_found";
inline constexpr std::string_view kProfileExists = "profile.exists";  // kAlreadyExists
inline constexpr std::string_view kTokenNotFound = "token.not_found";
inline constexpr std::string_view kTokenInvalid = "token.invalid";  // kUnauthenticated: unknown, expired, revoked
inline constexpr std::string_view kClaimNotFound = "claim.not_found";
inline constexpr std::string_view kClaimExists = "claim.exists";  // kAlreadyExists: that certificate is one already
inline constexpr std::string_view kTrustAnchorNotFound = "trust_anchor.not_found";
inline constexpr std::string_view kTrustAnchorKeyExists = "trust_anchor.key_exists";  // kConflict: in this tenant
inline constexpr std::string_view kTrustAnchorLimit = "trust_anchor.limit_reached";   // kFailedPrecondition
inline constexpr std::string_view kTrustAnchorNameLimit = "trust_anchor.name_limit_reached";  // kFailedPrecondition
inline constexpr std::string_view kExternalCredentialExists = "external.credential_exists";   // kAlreadyExists
inline constexpr std::string_view kExternalCredentialNotFound = "external.credential_not_found";
inline constexpr std::string_view kIssuerNotFound = "issuer.not_found";
inline constexpr std::string_view kIssuerStatusInvalid = "issuer.status_invalid";
inline constexpr std::string_view kCrossCertificateNotFound = "issuer.cross_certificate_not_found";
inline constexpr std::string_view kIncidentNotFound = "incident.not_found";
inline constexpr std::string_view kIssuerActiveExists =
    "issuer.active_exists";                                                    // kConflict: one active issuer a tenant
inline constexpr std::string_view kKeyAlreadyUsed = "key.already_used";        // kConflict: the same whoever holds it
inline constexpr std::string_view kSerialAlreadyUsed = "serial.already_used";  // kConflict
inline constexpr std::string_view kCertificateNotFound = "certificate.not_found";
inline constexpr std::string_view kCertificateNotLogged = "certificate.not_logged";  // issued before there was a log
inline constexpr std::string_view kCertificateSerialAmbiguous = "certificate.serial_ambiguous";  // kConflict
inline constexpr std::string_view kCertificateIntentMissing = "certificate.intent_missing";      // kFailedPrecondition
inline constexpr std::string_view kCertificateExists = "certificate.exists";                     // kConflict
inline constexpr std::string_view kRevocationNotFound = "revocation.not_found";                  // a bulk revocation
inline constexpr std::string_view kRevocationReasonInvalid = "revocation.reason_invalid";
inline constexpr std::string_view kEdgeNotFound = "edge.not_found";
inline constexpr std::string_view kEdgeExists = "edge.exists";
inline constexpr std::string_view kEdgeNameInvalid = "edge.name_invalid";
inline constexpr std::string_view kEdgeBrokerNamesMissing = "edge.broker_names_missing";  // kFailedPrecondition
inline constexpr std::string_view kJoinTokenInvalid =
    "edge.join_token_invalid";  // kUnauthenticated: unknown, used, expired
inline constexpr std::string_view kIdempotencyBodyDiffers = "idempotency.body_differs";  // kInvalidArgument, HTTP 422
inline constexpr std::string_view kIdempotencyInProgress = "idempotency.in_progress";    // kConflict
inline constexpr std::string_view kBatchNotFound = "batch.not_found";
inline constexpr std::string_view kChangesReloadRequired = "changes.reload_required";  // kFailedPrecondition, HTTP 410
inline constexpr std::string_view kAuditChainBroken = "audit.chain_broken";            // kCorrupt
inline constexpr std::string_view kCursorInvalid = "cursor.invalid";                   // kInvalidArgument
inline constexpr std::string_view kDeploymentMissing = "deployment.missing";           // kFailedPrecondition
inline constexpr std::string_view kDeploymentTrustDomainDiffers = "deployment.trust_domain_differs";

}  // namespace muster::registry
