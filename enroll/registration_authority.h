// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the registration authority, the only place where signing and the registry meet. Every certificate goes
// through one order (design.md §5): transaction 1 reserves the serial and stores the intent with the linted TBS → the
// CA key signs → signed bytes are compared with the linted ones → transaction 2 stores, audits and announces → only
// then the caller sees it. A crash or failure in between leaves an intent that list_open_intents shows.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/identity.h"
#include "core/metrics.h"
#include "core/record.h"
#include "core/result.h"
#include "core/time.h"
#include "enroll/caller.h"
#include "enroll/log_inclusion.h"
#include "enroll/published_crl.h"
#include "x509/chain_verifier.h"

namespace muster::db {
class ConnectionPool;
class Transaction;
}  // namespace muster::db
namespace muster::ca {
struct KeyStoreConfig;
}

namespace muster::enroll {

struct AuthorityContext;

struct RegistrationAuthorityConfig {
  std::string trust_domain = "muster.internal";
  std::string plain_url = "http://127.0.0.1:8080";  // base of CRL pointers; no trailing slash
  std::int64_t device_validity_seconds = 365 * 86400;
  std::int64_t backdate_seconds = 300;
  std::int64_t crl_validity_seconds = 7 * 86400;
  std::int64_t ocsp_validity_seconds = 3600;  // thisUpdate to nextUpdate, 300 to 43200; renewed at half of it
  std::uint32_t crl_shards = 1;               // into which new certificates go, 1 to 4096; issued ones keep theirs
  std::string blocked_keys_file;              // x509/blocked_keys.h; empty: none
  std::size_t batch_group_size = 200;         // certificates in one pair of transactions, 1 to 1000
};

enum class CreateDevice : std::uint8_t { kNo, kYes };
enum class DeviceRoot : std::uint8_t { kAsStored, kOffline };

struct EnrollRequest {
  TenantId tenant;
  std::string device;  // name
  std::string csr;     // PEM, or DER
  std::string profile = "device";
  CreateDevice create = CreateDevice::kNo;  // kYes: a device that does not exist is registered first
};

struct IssuedCertificate {
  Sha256 id{};
  std::string id_hex;
  std::string serial_hex;
  std::string certificate_pem;
  std::string chain_pem;  // issuing CA, then platform intermediate; without the root
  UtcTime not_before{};
  UtcTime not_after{};
  std::optional<LogInclusion> log{};  // device certificates: where it is in the issuance log
};

struct RevocationRequest {
  TenantId tenant;
  std::string certificate;             // id (64 hexadecimal digits) or serial
  std::string reason = "unspecified";  // RFC 5280 §5.3.1 name
};

struct RevokedCertificate {
  Sha256 id{};
  std::string serial_hex;
  UtcTime revoked_at{};
  std::string reason;
  bool already_revoked = false;  // then nothing was changed
};

enum class InfrastructureRole : std::uint8_t { kServer, kBroker, kEdge };

// Whether `name` may stand in a broker's or server's certificate: a DNS name in lower case, its first label perhaps
// '*', or an IP address.
bool is_server_name(const std::string& name);
inline constexpr std::size_t kMaxServerNames = 16;

struct InfrastructureRequest {
  InfrastructureRole role = InfrastructureRole::kServer;
  std::string csr;                 // PEM; only its key is used
  std::vector<std::string> names;  // kServer, kBroker: DNS names or IP addresses, from configuration or registry
  std::optional<EdgeId> edge;      // kBroker (whose broker) and kEdge
};

struct ValidationRequest {
  TenantId tenant;
  std::string certificate_pem;
  std::string chain_pem;      // may be empty
  std::optional<UtcTime> at;  // default: now
};

struct ValidationAnswer {
  bool valid = false;
  std::vector<x509::ChainFinding> findings;  // also registry findings: validation.not_issued, validation.revoked,
                                             // validation.device_inactive, validation.tenant_mismatch
  std::optional<std::string> device;         // name
};

struct OpenIntent {
  IssuerId issuer;
  std::string serial_hex;
  TenantId tenant;
  DeviceId device;
  UtcTime created_at{};
};

struct TenantIssuer {
  IssuerId id;
  std::string certificate_pem;
  std::string chain_pem;  // without the root
};

// RegistrationAuthority owns the signer. Thread-safe: requests of several threads share transactions (group commit).
class RegistrationAuthority {
 public:
  // `pool`, `clock` and `metrics` must outlive the object. Nothing is read before initialise_deployment.
  // Reasons: config.trust_domain_invalid, config.enroll_invalid, profile.invalid, those of x509::BlockedKeys::load.
  static Result<std::unique_ptr<RegistrationAuthority>> create(RegistrationAuthorityConfig config,
                                                               ca::KeyStoreConfig keys, db::ConnectionPool& pool,
                                                               const Clock& clock, MetricsRegistry& metrics);
  ~RegistrationAuthority();

  // Makes what is missing of: device root → platform intermediate; infrastructure root. Loads the platform's keys.
  // Idempotent; safe when two servers start at once. Reasons: key.unwrap_failed (another KEK), deployment.*,
  // database.*.
  // kOffline: instead of a device root, the intermediate's key is made, whose certificate comes from outside
  // (enroll/offline_root.h). kAsStored goes on with what there is; nothing yet: a root of our own.
  Result<void> initialise_deployment(DeviceRoot device_root = DeviceRoot::kAsStored);

  // PEM of the two roots; initialise_deployment must have succeeded. Reason: enroll.intermediate_missing (the device
  // root is offline and nothing of it was installed yet).
  Result<std::string> device_root_pem() const;
  const std::string& infrastructure_root_pem() const;

  // Makes the issuing CA of a tenant that `tx` (scope system) has just created, in the same transaction.
  // platform-admin. Reasons: enroll.caller_forbidden, tenant.not_found, database.*.
  Result<void> make_tenant_issuer(db::Transaction& tx, const Caller& caller, const TenantId& tenant);
  // Makes the tenant's issuing CA where it has no active one and returns the active one. platform-admin or tenant-admin
  // of that tenant.
  Result<TenantIssuer> ensure_tenant_issuer(const Caller& caller, TenantId tenant);
  // cacerts of a tenant: issuing CA, intermediate, root, then what others signed for the issuing CA, PEM.
  Result<std::string> ca_certificates_pem(TenantId tenant);

  // Issues one device certificate. platform-admin and tenant-admin: any; factory: the first of a device; a device: its
  // own, by an active certificate. Reasons: csr.*, enroll.*, profile.*, tenant.*, device.*, lint.*, signer.*,
  // database.*.
  Result<IssuedCertificate> enroll(const Caller& caller, const EnrollRequest& request);

  // Issues many, in groups that share transactions; result i belongs to request i. One bad request spoils no other.
  std::vector<Result<IssuedCertificate>> enroll_batch(const Caller& caller, std::span<const EnrollRequest> requests);

  // Revokes; idempotent: the first reason and time stay. tenant-admin, platform-admin, or the device itself.
  Result<RevokedCertificate> revoke(const Caller& caller, const RevocationRequest& request);

  // Says that a transaction of this process may have revoked certificates. Whoever revokes otherwise than by revoke()
  // (removing a device or an edge) calls it before answering.
  void note_revocation();

  // The CRL of one shard of an issuer; made when something was revoked or half its validity has passed.
  // Revocations made by this process show at once, those of other processes within seconds.
  // Reasons: issuer.not_found, enroll.crl_shard_unknown, signer.*.
  Result<std::shared_ptr<const PublishedCrl>> crl(IssuerId issuer, std::uint32_t shard);

  // Certificates for our own TLS ends. kLocal and platform-admin; kEdge for its own edge (joining, renewal, its
  // broker). Reasons: csr.*, enroll.name_invalid, enroll.caller_forbidden, profile.*, edge.not_found.
  Result<IssuedCertificate> issue_infrastructure(const Caller& caller, const InfrastructureRequest& request);
  // The same inside a transaction of the caller's (scope system), so that a join token is redeemed with it.
  Result<IssuedCertificate> issue_infrastructure(db::Transaction& tx, const Caller& caller,
                                                 const InfrastructureRequest& request);

  Result<ValidationAnswer> validate(const Caller& caller, const ValidationRequest& request);

  // Intents older than `age` without a certificate: signed perhaps, never handed out. For `muster doctor`.
  Result<std::vector<OpenIntent>> list_open_intents(const Caller& caller, std::chrono::seconds age);
  // Marks the serial of an open intent revoked, so that it stands in the CRL and can never become active.
  Result<void> revoke_intent(const Caller& caller, IssuerId issuer, const std::string& serial_hex);

  // For the other classes of enroll/, each with a page of its own; nobody else can use it.
  AuthorityContext& context();

 private:
  struct Impl;
  explicit RegistrationAuthority(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::enroll
