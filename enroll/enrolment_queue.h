// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "enroll/device_enrolment.h"

namespace muster::enroll {

// EnrolmentQueue is the group commit of single requests: whoever comes while two groups of its tenant are under way
// waits and goes with the next one, so durability costs one pair of commits a group, not a request. Two, so that the
// database works on one while the other is built and signed. No thread of its own: the first who waits leads.
// Thread-safe.
class EnrolmentQueue {
 public:
  explicit EnrolmentQueue(AuthorityContext& context) : context_(context) {}

  // Returns when the request's group is done.
  Result<IssuedCertificate> submit(PreparedRequest request);

 private:
  struct Ticket {
    explicit Ticket(PreparedRequest r) : request(std::move(r)) {}
    PreparedRequest request;
    bool taken = false;  // by a group
    std::optional<Result<IssuedCertificate>> result;
  };
  struct Lane {  // of one tenant
    std::vector<std::shared_ptr<Ticket>> waiting;
    std::size_t groups = 0;  // under way
    std::size_t users = 0;
  };
  void lead(Lane& lane, const TenantId& tenant, std::unique_lock<std::mutex>& lock);

  AuthorityContext& context_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::map<TenantId, Lane> lanes_;  // guarded by mutex_
};

}  // namespace muster::enroll
