// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/parsed_chain.h"

#include <algorithm>

#include "x509/chain_verifier.h"
#include "x509/reasons.h"

namespace muster::auth_plugin {

ParsedChain::ParsedChain(const PresentedChain& presented) : presented_(presented) {
  auto leaf = x509::Certificate::parse_der(presented.leaf);
  if (leaf.ok()) {
    leaf_ = std::move(leaf).value();
    readable_ = read_others();
  } else {
    readable_ = std::move(leaf).error();
  }
}

// What is broken or too much makes the chain unfit to be judged; the rest may still show whose it is.
Result<void> ParsedChain::read_others() {
  const Error too_many{ErrorCode::kPermissionDenied, x509::reasons::kChainTooManyPresented, {}};
  Result<void> outcome;
  if (presented_.others.size() > x509::kMaxPresented + 1) outcome = too_many;  // brokers may show the leaf among them
  for (const BytesView der : presented_.others) {
    if (std::ranges::equal(der, presented_.leaf)) continue;
    if (others_.size() == x509::kMaxPresented) return outcome.ok() ? too_many : outcome;
    auto certificate = x509::Certificate::parse_der(der);
    if (certificate.ok()) {
      others_.push_back(std::move(certificate).value());
    } else if (outcome.ok()) {
      outcome = std::move(certificate).error();
    }
  }
  return outcome;
}

std::vector<BytesView> ParsedChain::issuer_names() const {
  std::vector<BytesView> names;
  if (leaf_) names.push_back(leaf_->issuer());
  for (const x509::Certificate& certificate : others_) names.push_back(certificate.issuer());
  return names;
}

}  // namespace muster::auth_plugin
