// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "core/result.h"
#include "enroll/device_enrolment.h"
#include "enroll/registration_authority.h"

namespace muster::enroll {

// BatchEnrolment issues many certificates in groups that share transactions. Thread-safe.
class BatchEnrolment {
 public:
  explicit BatchEnrolment(RegistrationAuthority& authority);

  // Result i belongs to request i; one bad request spoils no other. `also` writes with each group what must be durable
  // together with its certificates; it names requests by their places in `requests` (device_enrolment.h).
  std::vector<Result<IssuedCertificate>> run(const Caller& caller, std::span<const EnrollRequest> requests,
                                             const AlsoStore& also = {});

 private:
  AuthorityContext& context_;
};

}  // namespace muster::enroll
