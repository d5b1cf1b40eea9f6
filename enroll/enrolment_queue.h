// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>

#include "core/grouped_calls.h"
#include "enroll/device_enrolment.h"

namespace muster::enroll {

// EnrolmentQueue is the group commit of single requests: whoever comes while two groups of its tenant are under way
// waits and goes with the next one, so durability costs one pair of commits a group, not a request. Two, so that the
// database works on one while the other is built and signed. Thread-safe.
class EnrolmentQueue {
 public:
  explicit EnrolmentQueue(AuthorityContext& context) : context_(context) {}

  // Returns when the request's group is done.
  Result<IssuedCertificate> submit(PreparedRequest request);

 private:
  struct Lane {  // of one tenant
    explicit Lane(std::size_t largest_group);
    GroupedCalls<PreparedRequest, IssuedCertificate> calls;
    std::size_t users = 0;  // guarded by mutex_
  };
  // Keeps the tenant's lane while a request is in it.
  class Visit {
   public:
    Visit(EnrolmentQueue& queue, const TenantId& tenant);
    ~Visit();
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    Lane& lane() { return lane_->second; }

   private:
    EnrolmentQueue& queue_;
    std::map<TenantId, Lane>::iterator lane_;
  };

  AuthorityContext& context_;
  std::mutex mutex_;
  std::map<TenantId, Lane> lanes_;  // guarded by mutex_
};

}  // namespace muster::enroll
