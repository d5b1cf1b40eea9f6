// SPDX-License-Identifier: Apache-2.0
//
// A path as somebody presents it: certificates, each after two octets of its length; the first is the leaf, the last
// the anchor. Whatever they hold, the work stays within its limits, and a valid path leads from the one to the other.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "x509/path_validator.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace muster;
  BytesView rest{data, size};
  std::vector<x509::Certificate> certificates;
  while (rest.size() >= 2) {
    const std::size_t length = static_cast<std::size_t>(rest[0]) << 8 | rest[1];
    if (length > rest.size() - 2) break;
    auto certificate = x509::Certificate::parse_der(rest.subspan(2, length));
    if (certificate.ok()) certificates.push_back(std::move(*certificate));
    rest = rest.subspan(2 + length);
  }
  if (certificates.size() < 2) return 0;
  const std::span all{certificates};
  x509::PathPolicy policy{.now = parse_rfc3339("2026-06-15T00:00:00Z").value()};
  policy.policies.require_explicit_policy = size % 2 == 1;
  const auto report = x509::validate_path(all.front(), all.subspan(1, all.size() - 2), all.last(1), policy);
  const auto& limits = policy.limits;
  if (report.work.signature_checks > limits.signature_checks || report.work.paths > limits.paths) std::abort();
  if (report.work.name_comparisons > limits.name_comparisons) std::abort();
  if (!report.valid()) return 0;
  if (report.path.size() > limits.path_length || report.path.size() < 2) std::abort();
  if (report.path.front().id() != all.front().id() || report.path.back().id() != all.back().id()) std::abort();
  return 0;
}
