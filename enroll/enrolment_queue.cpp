// SPDX-License-Identifier: Apache-2.0
#include "enroll/enrolment_queue.h"

#include <algorithm>

#include "core/no_throw.h"

namespace muster::enroll {

namespace {
constexpr std::size_t kGroupsAtOnce = 2;  // of a tenant
}  // namespace

Result<IssuedCertificate> EnrolmentQueue::submit(PreparedRequest request) {
  const TenantId tenant = request.tenant;
  const auto ticket = std::make_shared<Ticket>(std::move(request));
  std::unique_lock lock{mutex_};
  Lane& lane = lanes_[tenant];
  ++lane.users;
  lane.waiting.push_back(ticket);
  while (!ticket->result) {
    if (ticket->taken || lane.groups == kGroupsAtOnce) {
      done_.wait(lock);
    } else {
      lead(lane, tenant, lock);
    }
  }
  if (--lane.users == 0) lanes_.erase(tenant);
  return std::move(*ticket->result);
}

void EnrolmentQueue::lead(Lane& lane, const TenantId& tenant, std::unique_lock<std::mutex>& lock) {
  const std::size_t count = std::min(lane.waiting.size(), context_.config.batch_group_size);
  const auto end = lane.waiting.begin() + static_cast<std::ptrdiff_t>(count);
  const std::vector<std::shared_ptr<Ticket>> group(lane.waiting.begin(), end);
  lane.waiting.erase(lane.waiting.begin(), end);
  for (const auto& ticket : group) ticket->taken = true;
  ++lane.groups;
  lock.unlock();
  using Issued = std::vector<Result<IssuedCertificate>>;
  auto results = no_throw([&]() -> Result<Issued> {
    std::vector<PreparedRequest> requests;
    for (const auto& ticket : group) requests.push_back(std::move(ticket->request));
    return DeviceEnrolment{context_, tenant, std::move(requests)}.run();
  });
  lock.lock();
  for (std::size_t i = 0; i < group.size(); ++i) {
    group[i]->result = results.ok() ? std::move((*results)[i]) : Result<IssuedCertificate>{results.error()};
  }
  --lane.groups;
  done_.notify_all();
}

}  // namespace muster::enroll
