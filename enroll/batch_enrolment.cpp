// SPDX-License-Identifier: Apache-2.0
#include "enroll/batch_enrolment.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "enroll/cpu_turns.h"

namespace muster::enroll {

namespace {

// Translates the places in a group into places among all requests.
AlsoStore with_places(const AlsoStore& also, const std::vector<std::size_t>& places) {
  if (!also) return {};
  return [&also, places](db::Transaction& tx, std::span<const StoredCertificate> stored) {
    std::vector<StoredCertificate> translated(stored.begin(), stored.end());
    for (StoredCertificate& certificate : translated) certificate.request = places[certificate.request];
    return also(tx, translated);
  };
}

}  // namespace

BatchEnrolment::BatchEnrolment(RegistrationAuthority& authority) : context_(authority.context()) {}

std::vector<Result<IssuedCertificate>> BatchEnrolment::run(const Caller& caller,
                                                           std::span<const EnrollRequest> requests,
                                                           const AlsoStore& also) {
  std::vector<Result<IssuedCertificate>> results(requests.size(), Error{});
  if (const auto ready = context_.require_initialised(); !ready.ok()) {
    std::ranges::fill(results, Result<IssuedCertificate>{ready.error()});
    return results;
  }
  std::vector<std::size_t> places;
  std::vector<PreparedRequest> group;
  std::optional<CpuTurns::Turn> turn;
  const auto flush = [&] {
    turn.reset();
    if (group.empty()) return;
    const TenantId tenant = group.front().tenant;
    auto done = DeviceEnrolment{context_, tenant, std::exchange(group, {}), with_places(also, places)}.run();
    for (std::size_t i = 0; i < done.size(); ++i) results[places[i]] = std::move(done[i]);
    places.clear();
  };
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (!turn) turn.emplace(CpuTurns::of_process(), CpuTurns::Work::kVerify);
    auto prepared = prepare(context_, caller, requests[i]);
    if (!prepared.ok()) {
      results[i] = std::move(prepared).error();
      continue;
    }
    if (!group.empty() && group.front().tenant != prepared->tenant) flush();
    places.push_back(i);
    group.push_back(std::move(prepared).value());
    if (group.size() == context_.config.batch_group_size) flush();
  }
  flush();
  return results;
}

}  // namespace muster::enroll
