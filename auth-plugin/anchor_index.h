// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "edge/identity_view.h"
#include "x509/trust_anchor.h"

namespace muster::auth_plugin {

struct Anchor {
  IssuerId issuer_id;
  TenantId tenant_id;
  x509::TrustAnchor trust;
};

// AnchorIndex holds our active issuing CAs of all tenants with their keys loaded (those of tenants' own PKI:
// external_index.h). Names only narrow the search: a candidate
// whose key does not verify the chain is no anchor, whatever it is called. Immutable, thread-safe.
class AnchorIndex {
 public:
  // How many CAs of the same name are tried; more would be somebody making the broker work.
  static constexpr std::size_t kMaxCandidates = 16;

  // Loads the issuers of `view`; anchors that `previous` already holds are taken from there. Issuers that cannot be
  // parsed are left out and counted in unusable().
  static std::shared_ptr<const AnchorIndex> build(const edge::IdentityView& view, const AnchorIndex* previous);

  // Anchors whose subject is one of `names` (DER), at most kMaxCandidates.
  std::vector<Anchor> candidates(const std::vector<BytesView>& names) const;
  std::size_t unusable() const { return unusable_; }
  std::size_t size() const { return by_id_.size(); }

 private:
  std::map<IssuerId, Anchor> by_id_;
  std::multimap<std::string, IssuerId, std::less<>> by_subject_;
  std::size_t unusable_ = 0;
};

}  // namespace muster::auth_plugin
