// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "ca/ocsp_response.h"
#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"
#include "core/time.h"
#include "enroll/authority_context.h"

namespace muster::enroll {

// OcspDelegate signs for one issuer: a key of this process and the certificate that the issuer gave it. Immutable.
struct OcspDelegate {
  ca::ResponderKey key;
  Bytes certificate;  // DER
  UtcTime not_before{};
  UtcTime not_after{};
};

// OcspDelegates makes delegates when they are first needed and anew when half of their time has passed. Thread-safe.
class OcspDelegates {
 public:
  explicit OcspDelegates(AuthorityContext& context) : context_(context) {}

  // The certificate is linted before and stored before anybody sees it, as all that a CA signs. Reasons:
  // issuer.not_found, profile.issuer_expired, lint.*, signer.*, key.*, database.*.
  Result<std::shared_ptr<const OcspDelegate>> find(const IssuerId& issuer);

 private:
  Result<std::shared_ptr<const OcspDelegate>> make(const IssuerId& issuer) const;

  AuthorityContext& context_;
  std::mutex mutex_;   // of the map
  std::mutex making_;  // one at a time: nobody's flood makes certificates in parallel
  std::map<IssuerId, std::shared_ptr<const OcspDelegate>> delegates_;  // guarded by mutex_
};

}  // namespace muster::enroll
