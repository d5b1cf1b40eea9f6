// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "edge/identity_view.h"
#include "x509/external_chain.h"

namespace muster::auth_plugin {

// One trust anchor of a tenant's own PKI, with its keys loaded.
struct ExternalAnchorEntry {
  IssuerId id;
  TenantId tenant_id;
  edge::EntityStatus status = edge::EntityStatus::kGone;  // active or suspended
  Sha256 key{};                                           // SHA-256 of its SubjectPublicKeyInfo
  bool reports_unknown = false;
  x509::ExternalAnchor anchor;
  Bytes source;  // certificate and rules, as the view has them: an entry is made again when they differ
};

// ExternalIndex holds the trust anchors of all tenants' own PKI. Names only narrow the search, and a tenant whose CAs
// bear the names of another's takes no place of the other's. Immutable, thread-safe.
class ExternalIndex {
 public:
  static constexpr std::size_t kMaxCandidates = 16;
  static constexpr std::size_t kMaxCandidatesOfTenant = 4;  // the server takes no more anchors of one name

  using Entry = std::shared_ptr<const ExternalAnchorEntry>;

  // Loads the external issuers of `view`; those that `previous` holds unchanged are taken from there. What cannot be
  // parsed is left out and counted in unusable().
  static std::shared_ptr<const ExternalIndex> build(const edge::IdentityView& view, const ExternalIndex* previous);

  // Anchors that are called, or have an intermediate that is called, by one of `names` (DER); of `tenant` only, where
  // one is given. Suspended ones are among them.
  std::vector<Entry> candidates(const std::vector<BytesView>& names, const std::optional<TenantId>& tenant) const;
  const ExternalAnchorEntry* find(const IssuerId& id) const;
  std::size_t unusable() const { return unusable_; }
  bool empty() const { return by_id_.empty(); }

 private:
  std::unordered_map<IssuerId, Entry> by_id_;
  std::multimap<std::string, Entry, std::less<>> by_name_;
  std::size_t unusable_ = 0;
};

}  // namespace muster::auth_plugin
