// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/external_index.h"

#include <algorithm>

#include "edge/external_trust.h"

namespace muster::auth_plugin {
namespace {

Bytes source_of(const edge::IssuerFacts& issuer) {
  Bytes source(issuer.certificate.begin(), issuer.certificate.end());
  source.insert(source.end(), issuer.external.begin(), issuer.external.end());
  return source;
}

Result<x509::ExternalAnchor> to_anchor(x509::TrustAnchor trust, const edge::ExternalTrust& rules) {
  x509::ExternalAnchor anchor{.trust = std::move(trust),
                              .intermediates = {},
                              .rule = {rules.source, rules.prefix},
                              .expired_crl = static_cast<x509::ExpiredCrl>(rules.expired_crl),
                              .crls = {},
                              .revoked = rules.revoked};
  for (const Bytes& der : rules.intermediates) {
    MUSTER_TRY(auto certificate, x509::Certificate::parse_der(der));
    anchor.intermediates.push_back(std::move(certificate));
  }
  for (const auto& crl : rules.crls) anchor.crls.push_back({crl.issuer_key, crl.next_update});
  return anchor;
}

Result<ExternalIndex::Entry> load(const edge::IssuerFacts& issuer) {
  MUSTER_TRY(auto trust, x509::TrustAnchor::parse_der(issuer.certificate));
  // The registry names the key that it trusts; a certificate with another key is not that anchor.
  if (trust.certificate().spki_sha256() != issuer.spki_sha256) return internal_error("an anchor has another key");
  MUSTER_TRY(const edge::ExternalTrust rules, edge::decode_external_trust(issuer.external));
  MUSTER_TRY(auto anchor, to_anchor(std::move(trust), rules));
  return std::make_shared<const ExternalAnchorEntry>(ExternalAnchorEntry{issuer.id, issuer.tenant_id, issuer.status,
                                                                         issuer.spki_sha256, rules.reports_unknown,
                                                                         std::move(anchor), source_of(issuer)});
}

bool is_same(const ExternalAnchorEntry& entry, const edge::IssuerFacts& issuer) {
  return entry.tenant_id == issuer.tenant_id && entry.status == issuer.status && entry.source == source_of(issuer);
}

}  // namespace

std::shared_ptr<const ExternalIndex> ExternalIndex::build(const edge::IdentityView& view,
                                                          const ExternalIndex* previous) {
  auto index = std::make_shared<ExternalIndex>();
  for (const edge::IssuerFacts& issuer : view.issuers()) {
    if (issuer.external.empty() || issuer.status == edge::EntityStatus::kGone) continue;
    const auto known = previous ? previous->by_id_.find(issuer.id) : decltype(previous->by_id_.end()){};
    if (previous && known != previous->by_id_.end() && is_same(*known->second, issuer)) {
      index->by_id_.emplace(issuer.id, known->second);
      continue;
    }
    auto entry = load(issuer);
    if (!entry.ok()) {
      ++index->unusable_;
      continue;
    }
    index->by_id_.emplace(issuer.id, std::move(entry).value());
  }
  for (const auto& [id, entry] : index->by_id_) {
    index->by_name_.emplace(as_text(entry->anchor.trust.certificate().subject()), entry);
    for (const auto& intermediate : entry->anchor.intermediates) {
      index->by_name_.emplace(as_text(intermediate.subject()), entry);
    }
  }
  return index;
}

std::vector<ExternalIndex::Entry> ExternalIndex::candidates(const std::vector<BytesView>& names,
                                                            const std::optional<TenantId>& tenant) const {
  std::vector<Entry> found;
  for (const BytesView name : names) {
    const auto [first, last] = by_name_.equal_range(as_text(name));
    for (auto it = first; it != last && found.size() < kMaxCandidates; ++it) {
      const Entry& entry = it->second;
      if (tenant && entry->tenant_id != *tenant) continue;
      const auto of_tenant =
          std::ranges::count_if(found, [&](const Entry& other) { return other->tenant_id == entry->tenant_id; });
      if (of_tenant >= static_cast<std::ptrdiff_t>(kMaxCandidatesOfTenant)) continue;
      if (std::ranges::find(found, entry) == found.end()) found.push_back(entry);
    }
  }
  return found;
}

const ExternalAnchorEntry* ExternalIndex::find(const IssuerId& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second.get();
}

}  // namespace muster::auth_plugin
