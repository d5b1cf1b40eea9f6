// SPDX-License-Identifier: Apache-2.0
#include "enroll/enrolment_queue.h"

namespace muster::enroll {

namespace {
constexpr std::size_t kGroupsAtOnce = 2;  // of a tenant
}  // namespace

EnrolmentQueue::Lane::Lane(std::size_t largest_group) : calls(kGroupsAtOnce, largest_group) {}

Result<IssuedCertificate> EnrolmentQueue::submit(PreparedRequest request) {
  const TenantId tenant = request.tenant;
  Lane& lane = enter_lane(tenant);
  auto issued = lane.calls.call(std::move(request), [&](std::vector<PreparedRequest> requests) {
    return Result{DeviceEnrolment{context_, tenant, std::move(requests)}.run()};
  });
  leave_lane(tenant);
  return issued;
}

EnrolmentQueue::Lane& EnrolmentQueue::enter_lane(const TenantId& tenant) {
  const std::lock_guard lock{mutex_};
  Lane& lane = lanes_.try_emplace(tenant, context_.config.batch_group_size).first->second;
  ++lane.users;
  return lane;
}

void EnrolmentQueue::leave_lane(const TenantId& tenant) {
  const std::lock_guard lock{mutex_};
  const auto lane = lanes_.find(tenant);
  if (--lane->second.users == 0) lanes_.erase(lane);
}

}  // namespace muster::enroll
