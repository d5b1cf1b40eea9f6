// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "auth-plugin/tls_hook.h"
#include "core/bytes.h"
#include "core/result.h"
#include "x509/certificate.h"

namespace muster::auth_plugin {

// ParsedChain is a presented chain of which each certificate was read once, for the judgement and for what is said of
// who was refused. Views `presented`, which must outlive it.
class ParsedChain {
 public:
  explicit ParsedChain(const PresentedChain& presented);

  // Whether it can be judged at all. Reasons: those of x509::Certificate::parse_der, chain.too_many_presented.
  const Result<void>& readable() const { return readable_; }
  const PresentedChain& presented() const { return presented_; }
  const std::optional<x509::Certificate>& leaf() const { return leaf_; }  // there where readable() is ok
  // Without copies of the leaf, at most x509::kMaxPresented.
  const std::vector<x509::Certificate>& others() const { return others_; }
  std::vector<BytesView> issuer_names() const;

 private:
  Result<void> read_others();

  const PresentedChain& presented_;
  std::optional<x509::Certificate> leaf_;
  std::vector<x509::Certificate> others_;
  Result<void> readable_;
};

}  // namespace muster::auth_plugin
