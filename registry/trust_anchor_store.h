// SPDX-License-Identifier: Apache-2.0
//
// Purpose: trust anchors of tenants' own PKI, which device may come by which, and what was revoked there. Whether a
// proof, a chain or a CRL is good is enroll/'s to say; here it is kept, and edges hear of it. Scope: the tenant's,
// unless said otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/device_id_source.h"
#include "core/id.h"
#include "core/identity.h"
#include "core/record.h"
#include "core/time.h"
#include "db/transaction.h"
#include "registry/page.h"

namespace muster::registry {

// unverified: nobody has proved that its key is the tenant's. no-new-devices: registered devices come, none registers
// itself. suspended: nobody comes, until it is active again. revoked: nobody comes, ever.
enum class TrustAnchorStatus : std::uint8_t { kUnverified, kActive, kNoNewDevices, kSuspended, kRevoked };
std::string_view to_string(TrustAnchorStatus status);
std::optional<TrustAnchorStatus> parse_trust_anchor_status(std::string_view text);

enum class ExpiredCrlRule : std::uint8_t { kFailClosed, kLastKnownGood };
std::string_view to_string(ExpiredCrlRule rule);
std::optional<ExpiredCrlRule> parse_expired_crl_rule(std::string_view text);

struct SelfRegistration {
  bool enabled = false;
  std::int64_t max_devices = 1000;  // that registered themselves by this anchor
  std::int64_t devices_per_minute = 60;
  std::string group = {};                // of such devices; "": none
  std::vector<std::string> denied = {};  // device ids, or beginnings of them followed by '*'
};

struct CrlSource {
  std::string url;  // "": none, CRLs are uploaded
  std::int64_t fetch_seconds = 3600;
};

inline constexpr std::size_t kMaxTrustAnchors = 16;          // of one tenant
inline constexpr std::size_t kMaxTrustAnchorsOfOneName = 4;  // with the same subject, of one tenant

struct TrustAnchorRow {
  IssuerId id;
  TenantId tenant_id;
  TrustAnchorStatus status = TrustAnchorStatus::kUnverified;
  Sha256 spki_sha256{};
  Bytes subject;  // Name, DER
  Bytes certificate;
  std::vector<Bytes> intermediates;
  UtcTime not_after{};
  DeviceIdSource source = DeviceIdSource::kCommonName;
  std::string prefix;
  std::optional<Sha256> code_sha256;  // absent once it was used
  std::optional<UtcTime> code_expires_at;
  SelfRegistration self_registration;
  ExpiredCrlRule expired_crl = ExpiredCrlRule::kFailClosed;
  CrlSource crl;
  std::string crl_fetch_failure;  // reason; "": none
  std::optional<UtcTime> crl_alarmed_at;
  UtcTime created_at{};
  std::optional<UtcTime> verified_at;
};

// Stores an anchor that nobody has proved yet. Reasons: trust_anchor.key_exists, trust_anchor.limit_reached,
// trust_anchor.name_limit_reached, tenant.inactive.
Result<TrustAnchorRow> insert_trust_anchor(db::Transaction& tx, const TrustAnchorRow& anchor);
// is_key_of_ours tells whether a CA or server of this deployment has the key. Leaves the scope at system.
Result<bool> is_key_of_ours(db::Transaction& tx, const Sha256& spki_sha256);
// Reason: trust_anchor.not_found.
Result<TrustAnchorRow> get_trust_anchor(db::Transaction& tx, const TenantId& tenant, const IssuerId& id);
// The same, locked until the transaction ends, so that limits are counted by one at a time.
Result<TrustAnchorRow> lock_trust_anchor(db::Transaction& tx, const TenantId& tenant, const IssuerId& id);
// By creation.
Result<std::vector<TrustAnchorRow>> list_trust_anchors(db::Transaction& tx, const TenantId& tenant);

// redeem_code makes an unverified anchor active where its code is `code` and `now` is not after its end; true if it
// did. One statement, so of two at once one gets it.
Result<bool> redeem_code(db::Transaction& tx, const TenantId& tenant, const IssuerId& id, const Sha256& code,
                         UtcTime now);
// Gives an unverified anchor another code, so that the one before is good for nothing; false: it is not unverified.
Result<bool> renew_code(db::Transaction& tx, const TenantId& tenant, const IssuerId& id, const Sha256& code,
                        UtcTime expires_at);
// Stores status, self-registration, CRL rule and CRL source. Announces. Reason: trust_anchor.not_found.
Result<void> update_trust_anchor(db::Transaction& tx, const TrustAnchorRow& anchor);
// Removes the anchor with its CRLs, revocations and credentials; the devices stay. Reason: trust_anchor.not_found.
Result<void> delete_trust_anchor(db::Transaction& tx, const TenantId& tenant, const IssuerId& id);

// Counts one registration in the minute of `now`; false: the minute is full. The anchor must be locked.
Result<bool> take_registration_turn(db::Transaction& tx, const TrustAnchorRow& anchor, UtcTime now);
Result<std::int64_t> count_self_registered(db::Transaction& tx, const TenantId& tenant, const IssuerId& id);
// Whether the tenant has or ever had a device of this name: such a name is not given by a certificate.
Result<bool> was_device_name_used(db::Transaction& tx, const TenantId& tenant, std::string_view name);

struct ExternalCredential {
  Sha256 id{};  // x509::external_credential_id
  TenantId tenant_id;
  IssuerId anchor_id;
  DeviceId device_id;
  std::string device_name;  // when read
  bool self_registered = false;
  UtcTime created_at{};
};
enum class Registered : std::uint8_t { kByAdmin, kByItself };
// Lets a device come by an anchor, and announces it. A credential of a deleted device of that name becomes this one's.
// Reason: external.credential_exists.
Result<void> insert_credential(db::Transaction& tx, const ExternalCredential& credential);
// Reason: external.credential_not_found.
Result<void> delete_credential(db::Transaction& tx, const TenantId& tenant, const Sha256& id);
Result<std::optional<ExternalCredential>> find_credential(db::Transaction& tx, const TenantId& tenant,
                                                          const Sha256& id);
// By device name.
Result<Page<ExternalCredential>> list_credentials(db::Transaction& tx, const TenantId& tenant, const IssuerId& anchor,
                                                  const PageRequest& page);

struct ExternalCrlRow {
  Sha256 issuer_key{};
  Sha256 scope{};
  std::string number_hex;  // "": none
  UtcTime this_update{};
  UtcTime next_update{};
  std::int64_t entries = 0;
  Bytes revoked;  // entries of 16 octets, sorted
  bool fetched = false;
  UtcTime received_at{};
};
Result<std::vector<ExternalCrlRow>> list_external_crls(db::Transaction& tx, const TenantId& tenant,
                                                       const IssuerId& anchor);
// Replaces the one of the same issuer and scope, and announces.
Result<void> put_external_crl(db::Transaction& tx, const TenantId& tenant, const IssuerId& anchor,
                              const ExternalCrlRow& crl);
// True if it was not revoked before. Announces.
Result<bool> insert_external_revocation(db::Transaction& tx, const TenantId& tenant, const IssuerId& anchor,
                                        const Sha256& certificate_id, UtcTime now);
struct RevokedCounts {
  std::int64_t single = 0;   // certificates, one by one
  std::int64_t on_crls = 0;  // entries
};
Result<RevokedCounts> count_revoked(db::Transaction& tx, const TenantId& tenant, const IssuerId& anchor);
Result<std::vector<Sha256>> list_external_revocations(db::Transaction& tx, const TenantId& tenant,
                                                      const IssuerId& anchor);

// What is due to be fetched, over all tenants. Scope: system.
struct DueCrl {
  TenantId tenant_id;
  IssuerId anchor_id;
  std::string url;
};
Result<std::vector<DueCrl>> list_due_crls(db::Transaction& tx, UtcTime now, std::size_t limit);
// Puts the next fetch off by the anchor's period and keeps the reason of a failure ("": none). Only one of several
// servers that do it at once gets true.
Result<bool> take_crl_turn(db::Transaction& tx, const TenantId& tenant, const IssuerId& anchor, UtcTime now);
Result<void> note_crl_fetch(db::Transaction& tx, const TenantId& tenant, const IssuerId& anchor,
                            std::string_view failure);

// Anchors in use one of whose CRLs has expired. Scope: system.
struct ExpiredCrlAnchor {
  TenantId tenant_id;
  IssuerId anchor_id;
  ExpiredCrlRule rule = ExpiredCrlRule::kFailClosed;
  bool alarmed = false;
};
Result<std::vector<ExpiredCrlAnchor>> list_expired_crls(db::Transaction& tx, UtcTime now);
// Remembers that the audit was told, or (nullopt) that all is well again.
Result<void> set_crl_alarm(db::Transaction& tx, const TenantId& tenant, const IssuerId& anchor,
                           std::optional<UtcTime> at);

}  // namespace muster::registry
