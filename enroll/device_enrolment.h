// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/identity.h"
#include "core/result.h"
#include "enroll/authority_context.h"
#include "x509/certificate_request.h"

namespace muster::enroll {

// PreparedRequest is an EnrollRequest that was checked as far as that goes without the database.
struct PreparedRequest {
  Caller caller;
  TenantId tenant;
  DeviceName device;
  x509::CertificateRequest csr;
  CreateDevice create = CreateDevice::kNo;
  std::string profile = "device";
};

// prepare checks the caller's role and the name, and verifies the CSR (the costly part; callers' threads do it in
// parallel). Reasons: enroll.caller_forbidden, enroll.profile_unknown, device.name_invalid, csr.*.
Result<PreparedRequest> prepare(const AuthorityContext& context, const Caller& caller, const EnrollRequest& request);

// require_own_certificate: the caller is `device` itself and proved an active certificate of it; status is checked per
// request, not per connection. Scope: the tenant's. Reason: enroll.caller_forbidden.
Result<void> require_own_certificate(db::Transaction& tx, const Caller& caller, const DeviceId& device, UtcTime now);

// StoredCertificate names a certificate that is being stored by the place of its request in the group.
struct StoredCertificate {
  std::size_t request = 0;
  Sha256 id{};
};
// AlsoStore writes, in the transaction that stores certificates, what must be durable together with them. Where it
// fails, they are not stored. It may be called again for the same ones after a rollback.
using AlsoStore = std::function<Result<void>(db::Transaction&, std::span<const StoredCertificate>)>;

// DeviceEnrolment takes one group of one tenant's requests through design.md §5's order. Confined to one thread; used
// once.
class DeviceEnrolment {
 public:
  DeviceEnrolment(AuthorityContext& context, const TenantId& tenant, std::vector<PreparedRequest> requests,
                  AlsoStore also = {});
  ~DeviceEnrolment();

  // One result per request, in order.
  std::vector<Result<IssuedCertificate>> run();

 private:
  struct Item;
  using Indices = std::span<const std::size_t>;

  Result<void> reserve(db::Transaction& tx, Indices indices);
  Result<void> admit_claims(db::Transaction& tx, Indices indices);
  struct Questions;
  Questions ask(db::Transaction& tx, Indices indices) const;
  Result<void> find_or_create_devices(db::Transaction& tx, Indices indices, const Questions& questions);
  Result<void> create_missing(db::Transaction& tx, Indices indices);
  Result<void> authorise(db::Transaction& tx, Indices indices, const Questions& questions);
  Result<std::vector<std::size_t>> count_earlier(db::Transaction& tx, Indices chosen);
  Result<void> find_proved(Indices chosen, const Questions& questions);
  Result<void> authorise_one(db::Transaction& tx, Item& item, std::size_t earlier);
  Result<void> authorise_renewal(db::Transaction& tx, Item& item) const;
  Result<void> find_listed(db::Transaction& tx, Indices chosen);
  Result<void> build_all(db::Transaction& tx, Indices indices, const Questions& questions);
  Result<void> reserve_intents(db::Transaction& tx, Indices indices);
  Result<void> build(Item& item) const;
  Result<void> widen_shards(db::Transaction& tx, Indices indices) const;
  std::vector<std::size_t> sign_all(std::span<const Result<void>> reserved);
  void sign(Item& item) const;
  Result<void> store(db::Transaction& tx, Indices indices);
  Result<void> redeem_claims(db::Transaction& tx, Indices indices);
  Result<void> log(db::Transaction& tx, Indices indices);
  Result<void> recheck_first(db::Transaction& tx, Indices indices);
  void take_back_devices();
  Result<IssuedCertificate> answer(Item& item);
  void audit_refusals();

  AuthorityContext& context_;
  const TenantId tenant_;
  const AlsoStore also_;
  std::string tenant_name_;
  std::vector<Item> items_;
};

}  // namespace muster::enroll
