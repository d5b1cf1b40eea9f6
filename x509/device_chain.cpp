// SPDX-License-Identifier: Apache-2.0
#include "x509/device_chain.h"

#include <vector>

#include "x509/chain_verifier.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

Error deny(std::string_view reason, std::string detail) {
  return Error{ErrorCode::kPermissionDenied, reason, std::move(detail)};
}

Result<std::vector<Certificate>> parse_presented(const DeviceChainRequest& request) {
  std::vector<Certificate> certificates;
  certificates.reserve(request.intermediates.size());
  for (const BytesView der : request.intermediates) {
    auto certificate = Certificate::parse_der(der);
    if (!certificate.ok()) return deny(certificate.error().reason, "presented intermediate");
    certificates.push_back(std::move(certificate).value());
  }
  return certificates;
}

}  // namespace

Result<DeviceChain> verify_device_chain(const DeviceChainRequest& request) {
  if (request.intermediates.size() > kMaxPresented) return deny(reasons::kChainTooManyPresented, {});
  const auto leaf = Certificate::parse_der(request.leaf);
  if (!leaf.ok()) return deny(leaf.error().reason, "leaf");
  MUSTER_TRY(const auto intermediates, parse_presented(request));
  return verify_device_chain(
      ParsedDeviceChain{*leaf, intermediates, request.anchors, request.trust_domain, request.now});
}

Result<DeviceChain> verify_device_chain(const ParsedDeviceChain& chain) {
  if (chain.intermediates.size() > kMaxPresented) return deny(reasons::kChainTooManyPresented, {});
  const ChainPolicy policy{ChainPurpose::kDevice, chain.trust_domain, chain.now, chain.memory};
  ChainReport report = verify_chain(chain.leaf, chain.intermediates, chain.anchors, policy);
  if (!report.valid()) {
    const ChainFinding& first = report.findings.front();
    return deny(first.reason, "certificate " + std::to_string(first.certificate_index) + " " + first.parameter);
  }
  return DeviceChain{chain.leaf.id(),  chain.leaf.spki_sha256(), std::move(*report.principal),
                     report.not_after, *report.anchor_index,     report.length};
}

}  // namespace muster::x509
