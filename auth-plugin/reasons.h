// SPDX-License-Identifier: Apache-2.0
//
// Purpose: every reason for which the plugin refuses, cuts or sheds, once. They stand in log lines, metric labels and
// the lifecycle stream. A refused handshake gives the reasons of x509/reasons.h too.
#pragma once

#include <string_view>

#include "core/topic_decision.h"

namespace muster::auth_plugin::reasons {

// Refusals to start
inline constexpr std::string_view kBrokerUnsupported = "broker.unsupported";
inline constexpr std::string_view kWalFolderInUse = "wal.folder_in_use";  // by another broker

// Connections that have not come as far as an accepted CONNECT
inline constexpr std::string_view kTooManyHandshakes = "handshake.too_many";
inline constexpr std::string_view kTooManyHandshakesOfAddress = "handshake.too_many_of_address";
inline constexpr std::string_view kHandshakeTooSlow = "handshake.too_slow";
inline constexpr std::string_view kRestBroken = "handshake.rest_broken";  // left, or sent a lot, before its time

// CONNECT (MQTT 5 reason code 0x87, MQTT 3.1.1 return code 5)
inline constexpr std::string_view kCertificateMissing = "connect.certificate_missing";
inline constexpr std::string_view kCertificateUnproved =
    "connect.certificate_unproved";                                               // resumed, or not our handshake
inline constexpr std::string_view kHandshakeFailed = "connect.handshake_failed";  // TLS 1.2: also no certificate
inline constexpr std::string_view kClientIdMismatch = "connect.client_id_mismatch";
inline constexpr std::string_view kUsernameMismatch = "connect.username_mismatch";  // at a broker that is not ours
inline constexpr std::string_view kHoldUnavailable = "connect.hold_unavailable";
inline constexpr std::string_view kInternal = "decision.internal";

// What the registry's snapshot says
inline constexpr std::string_view kSnapshotAbsent = "snapshot.absent";
inline constexpr std::string_view kSnapshotStale = "snapshot.stale";
inline constexpr std::string_view kCertificateNotListed = "certificate.not_listed";
inline constexpr std::string_view kCertificateRevoked = "certificate.revoked";
inline constexpr std::string_view kCertificateSuspended = "certificate.suspended";
inline constexpr std::string_view kCertificateExpired = "certificate.expired";
inline constexpr std::string_view kIssuerMismatch = "certificate.issuer_mismatch";
inline constexpr std::string_view kIssuerNotActive = "issuer.not_active";
inline constexpr std::string_view kIssuerAmbiguous = "issuer.ambiguous";  // one key anchored in two tenants
inline constexpr std::string_view kTenantUnknown = "tenant.unknown";
inline constexpr std::string_view kTenantMismatch = "tenant.mismatch";
inline constexpr std::string_view kTenantSuspended = "tenant.suspended";
inline constexpr std::string_view kTenantGone = "tenant.gone";
inline constexpr std::string_view kDeviceUnknown = "device.unknown";
inline constexpr std::string_view kDeviceSuspended = "device.suspended";
inline constexpr std::string_view kDeviceGone = "device.gone";
inline constexpr std::string_view kDeviceMismatch = "device.mismatch";  // the certificate was issued to another device

inline constexpr std::string_view kDeviceNotRegistered = "device.not_registered";  // of the tenant's own PKI
inline constexpr std::string_view kTrustAnchorSuspended = "trust_anchor.suspended";

// Topics
inline constexpr std::string_view kSessionUnknown = "acl.session_unknown";
inline constexpr std::string_view kQueuedForAnother = "acl.queued_for_another";  // an earlier device of the same name
using muster::reasons::kDollarTopic;
using muster::reasons::kNotInPolicy;
using muster::reasons::kPayloadTooLarge;
using muster::reasons::kQosNotAllowed;
using muster::reasons::kRetainNotAllowed;
using muster::reasons::kTopicInvalid;
inline constexpr std::string_view kRetainedByAnother = "acl.retained_by_another";
inline constexpr std::string_view kRetainedTableFull = "acl.retained_table_full";  // or this device's part of it
inline constexpr std::string_view kTooManySubscriptions = "acl.too_many_subscriptions";

// Publishing
inline constexpr std::string_view kDeviceQuota = "wal.device_quota";  // its part of a WAL that cannot be shipped
inline constexpr std::string_view kTenantQuota = "wal.tenant_quota";

// Limits (core/limits.h); "tenant" where it is that of all its devices together
inline constexpr std::string_view kConnectionLimit = "limit.tenant_connections";
inline constexpr std::string_view kConnectRateLimit = "limit.connect_rate";
inline constexpr std::string_view kReturnTooSoon = "limit.return_too_soon";  // after it was cut at a limit
inline constexpr std::string_view kTenantConnectRateLimit = "limit.tenant_connect_rate";
inline constexpr std::string_view kMessageRateLimit = "limit.message_rate";
inline constexpr std::string_view kTenantMessageRateLimit = "limit.tenant_message_rate";
inline constexpr std::string_view kOctetRateLimit = "limit.octet_rate";
inline constexpr std::string_view kTenantOctetRateLimit = "limit.tenant_octet_rate";
inline constexpr std::string_view kPayloadLimit = "limit.payload";
inline constexpr std::string_view kInFlightLimit = "limit.in_flight";
inline constexpr std::string_view kSubscriptionLimit = "limit.subscriptions";
inline constexpr std::string_view kQueueLimit = "limit.queued_messages";

// Cuts of live connections, besides the reasons above
inline constexpr std::string_view kPolicyChanged = "cut.policy_changed";
inline constexpr std::string_view kTakenOver = "cut.taken_over";  // the device has a newer session on another broker
inline constexpr std::string_view kHoldTooLong = "cut.hold_too_long";
inline constexpr std::string_view kHoldTooLarge = "cut.hold_too_large";
inline constexpr std::string_view kNotDurable = "cut.not_durable";  // a write or fdatasync of the WAL failed

}  // namespace muster::auth_plugin::reasons
