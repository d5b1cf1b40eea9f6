// SPDX-License-Identifier: Apache-2.0
#include "enroll/enrolment_queue.h"

#include "db/reasons.h"

namespace muster::enroll {

namespace {
constexpr std::size_t kGroupsAtOnce = 2;  // of a tenant
constexpr std::chrono::seconds kPatience{30};
}  // namespace

EnrolmentQueue::Lane::Lane(std::size_t largest_group)
    : calls({kGroupsAtOnce, largest_group, kPatience, Error{ErrorCode::kUnavailable, db::kDatabaseBusy, {}}}) {}

EnrolmentQueue::Visit::Visit(EnrolmentQueue& queue, const TenantId& tenant) : queue_(queue) {
  const std::lock_guard lock{queue_.mutex_};
  lane_ = queue_.lanes_.try_emplace(tenant, queue_.context_.config.batch_group_size).first;
  ++lane_->second.users;
}

EnrolmentQueue::Visit::~Visit() {
  const std::lock_guard lock{queue_.mutex_};
  if (--lane_->second.users == 0) queue_.lanes_.erase(lane_);
}

Result<IssuedCertificate> EnrolmentQueue::submit(PreparedRequest request) {
  const TenantId tenant = request.tenant;
  Visit visit{*this, tenant};
  return visit.lane().calls.call(std::move(request), [&](std::vector<PreparedRequest> requests) {
    return Result{DeviceEnrolment{context_, tenant, std::move(requests)}.run()};
  });
}

}  // namespace muster::enroll
