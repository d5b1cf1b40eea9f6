// SPDX-License-Identifier: Apache-2.0
//
// Purpose: tells a device when to renew its certificate, in the form of ACME Renewal Information (RFC 9773): a window
// late in the certificate's life, or one that has passed where an incident asks for renewal now.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "core/id.h"
#include "core/record.h"
#include "core/result.h"
#include "core/time.h"
#include "enroll/caller.h"

namespace muster::enroll {

class RegistrationAuthority;

struct RenewalWindow {
  UtcTime start{};
  UtcTime end{};
  friend bool operator==(const RenewalWindow&, const RenewalWindow&) = default;
};

// renewal_window opens at 2/3 of the life and up to 1/12 of it later, which is drawn from `certificate` (its id, a
// SHA-256), so that a fleet enrolled in one night does not renew in one night and repeated questions have one answer;
// it lasts 1/24 of the life. So the last quarter or so stays for retries.
RenewalWindow renewal_window(const Sha256& certificate, UtcTime not_before, UtcTime not_after);

struct RenewalAdvice {
  Sha256 certificate{};  // id of the certificate that is to be renewed
  RenewalWindow window;
  std::string reason;                  // why the window was moved, for people; empty: it was not
  std::chrono::seconds retry_after{};  // ask again then (RFC 9773 §4.3)
};

// RenewalDesk answers one question; make one on the spot. Thread-safe.
class RenewalDesk {
 public:
  explicit RenewalDesk(RegistrationAuthority& authority) : authority_(authority) {}

  // About the device's newest certificate that is neither revoked nor expired. Tenant admins, factories, auditors and
  // applications of the tenant; a device about itself, by an active certificate.
  // Reasons: enroll.caller_forbidden, device.name_invalid, device.not_found, certificate.not_found.
  Result<RenewalAdvice> advise(const Caller& caller, const TenantId& tenant, const std::string& device) const;

  // The same about one certificate, for a protocol that has just issued it or checked its holder itself.
  // Reason: certificate.not_found.
  Result<RenewalAdvice> advise_certificate(const TenantId& tenant, const Sha256& certificate) const;

 private:
  RegistrationAuthority& authority_;
};

// renewal_headers are the answer as HTTP header fields, for EST: Muster-Renewal-Start, Muster-Renewal-End (RFC 3339),
// Muster-Renewal-Reason where the window was moved, Retry-After (seconds).
std::vector<std::pair<std::string, std::string>> renewal_headers(const RenewalAdvice& advice);

}  // namespace muster::enroll
