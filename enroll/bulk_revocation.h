// SPDX-License-Identifier: Apache-2.0
//
// Purpose: revoking many certificates at once. What is to be revoked is recorded first, then done in parts, each with
// its audit events and progress in one transaction: a crash loses nothing and repeats nothing, and any server that
// finds one unfinished goes on with it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/id.h"
#include "core/result.h"
#include "core/time.h"
#include "enroll/caller.h"
#include "enroll/registration_authority.h"
#include "registry/bulk_revocation_store.h"

namespace muster::enroll {

struct BulkRequest {
  TenantId tenant;
  std::string reason = "unspecified";  // RFC 5280 §5.3.1 name
  std::vector<std::string> serials;    // lower-case hexadecimal
  // Criteria; all given ones hold. Not together with serials.
  std::optional<std::string> device;  // name
  std::optional<IssuerId> issuer;
  std::optional<std::string> group;
  std::optional<UtcTime> expires_before;
  std::optional<UtcTime> not_before_after;
  std::optional<UtcTime> not_before_before;
};

// BulkRevocations is made on the spot; thread-safe. All give enroll.caller_forbidden and database.* besides their own.
class BulkRevocations {
 public:
  explicit BulkRevocations(RegistrationAuthority& authority) : authority_(authority), context_(authority.context()) {}

  static constexpr std::size_t kPart = 500;           // certificates in one transaction
  static constexpr std::size_t kPreviewed = 1'000;    // certificates that a preview lists
  static constexpr std::chrono::seconds kInline{10};  // of work before start() answers

  // What would be revoked. Changes nothing. Reasons: revocation.reason_invalid, revocation.selection_invalid (the
  // detail says what), device.not_found.
  Result<registry::SelectionPreview> preview(const Caller& caller, const BulkRequest& request);
  // Records it and works on it for at most kInline; the rest goes on in the background. Reasons: those of preview.
  Result<registry::BulkRevocation> start(const Caller& caller, const BulkRequest& request);
  // Reason: revocation.not_found.
  Result<registry::BulkRevocation> get(const Caller& caller, const TenantId& tenant, const RawId& id);

  // Goes on with what is unfinished, of any tenant, for at most `time`. For housekeeping.
  Result<void> go_on(std::chrono::milliseconds time);

 private:
  Result<registry::BulkSelection> to_selection(db::Transaction& tx, const BulkRequest& request) const;
  // One part. True: there is more to do, and it is ours to do.
  Result<bool> work(const TenantId& tenant, const RawId& id);

  RegistrationAuthority& authority_;
  AuthorityContext& context_;
};

}  // namespace muster::enroll
