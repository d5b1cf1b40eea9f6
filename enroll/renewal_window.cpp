// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "enroll/renewal.h"

namespace muster::enroll {

namespace {

// The first octets of a hash, as a fraction of 2^16.
std::int64_t fraction_of(const Sha256& hash) { return hash[0] << 8 | hash[1]; }
constexpr std::int64_t kWhole = 1 << 16;

}  // namespace

RenewalWindow renewal_window(const Sha256& certificate, UtcTime not_before, UtcTime not_after) {
  const std::int64_t life = std::max<std::int64_t>((not_after - not_before).count() + 1, 1);  // notAfter is inclusive
  const std::int64_t start = life * 2 / 3 + life / 12 * fraction_of(certificate) / kWhole;
  const std::int64_t length = std::max<std::int64_t>(life / 24, 1);
  return {not_before + std::chrono::seconds{start}, not_before + std::chrono::seconds{start + length}};
}

std::vector<std::pair<std::string, std::string>> renewal_headers(const RenewalAdvice& advice) {
  std::vector<std::pair<std::string, std::string>> headers;
  headers.emplace_back("Muster-Renewal-Start", to_rfc3339(advice.window.start));
  headers.emplace_back("Muster-Renewal-End", to_rfc3339(advice.window.end));
  if (!advice.reason.empty()) headers.emplace_back("Muster-Renewal-Reason", advice.reason);
  headers.emplace_back("Retry-After", std::to_string(advice.retry_after.count()));
  return headers;
}

}  // namespace muster::enroll
