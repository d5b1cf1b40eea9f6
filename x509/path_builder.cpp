// SPDX-License-Identifier: Apache-2.0
#include "x509/path_builder.h"

#include <algorithm>

#include "x509/reasons.h"

namespace muster::x509 {

namespace {

constexpr std::size_t kKeyLoadCost = 1;
constexpr std::size_t kMaxSteps = 4096;  // far more than the edges that signature_checks allows can ask for

// The likeliest issuer first: every wrong guess costs a signature check.
int likelihood(const Certificate& subject, const Certificate& candidate, UtcTime now) {
  const BytesView wanted = subject.authority_key_id();
  const bool same_key_id = !wanted.empty() && std::ranges::equal(wanted, candidate.subject_key_id());
  const bool current = candidate.not_before() <= now && now <= candidate.not_after();
  return (same_key_id ? 4 : 0) + (current ? 2 : 0) + (candidate.is_ca() ? 1 : 0);
}

}  // namespace

std::string_view PathBuilder::search(const Certificate& leaf, const Judge& judge) {
  path_.push_back(&leaf);
  extend(judge);
  if (work_.paths > 0) return {};
  if (is_exhausted()) return reasons::kChainSearchExhausted;
  return too_long_ ? reasons::kChainTooLong : reasons::kChainAnchorUnknown;
}

bool PathBuilder::is_exhausted() const {
  return work_.signature_checks >= policy_.limits.signature_checks ||
         work_.signature_cost >= policy_.limits.signature_cost || work_.paths >= policy_.limits.paths ||
         work_.steps >= kMaxSteps;
}

// True: stop, a path was accepted.
bool PathBuilder::extend(const Judge& judge) {
  if (extend_to_anchor(judge)) return true;
  for (const Certificate* candidate : candidates(*path_.back())) {
    if (path_.size() + 2 > policy_.limits.path_length) {  // the candidate and an anchor would follow
      too_long_ = true;
      return false;
    }
    if (is_exhausted()) return false;
    if (!is_signed_by(*path_.back(), *candidate, nullptr)) continue;
    path_.push_back(candidate);
    const bool accepted = extend(judge);
    path_.pop_back();
    if (accepted) return true;
  }
  return false;
}

bool PathBuilder::extend_to_anchor(const Judge& judge) {
  const Certificate& last = *path_.back();
  for (std::size_t i = 0; i < anchors_.size(); ++i) {
    const Certificate& anchor = anchors_[i].certificate;
    if (is_exhausted()) return false;
    ++work_.steps;
    if (!names_.same(anchor.subject(), last.issuer()) || !is_signed_by(last, anchor, &anchors_[i].key)) continue;
    ++work_.paths;
    path_.push_back(&anchor);
    const bool accepted = judge(path_, i);
    path_.pop_back();
    if (accepted) return true;
  }
  return false;
}

std::vector<const Certificate*> PathBuilder::candidates(const Certificate& subject) {
  std::vector<std::pair<int, const Certificate*>> ranked;
  for (const Certificate& candidate : intermediates_) {
    ++work_.steps;
    if (!names_.same(candidate.subject(), subject.issuer()) || is_in_path(candidate)) continue;
    ranked.emplace_back(-likelihood(subject, candidate, policy_.now), &candidate);
  }
  std::ranges::stable_sort(ranked, {}, &std::pair<int, const Certificate*>::first);
  std::vector<const Certificate*> result;
  for (const auto& [rank, candidate] : ranked) result.push_back(candidate);
  return result;
}

// `key` where it is loaded already, else nullptr.
bool PathBuilder::is_signed_by(const Certificate& subject, const Certificate& issuer, const VerificationKey* key) {
  for (const Edge& edge : edges_) {
    if (edge.subject == &subject && edge.issuer == &issuer) return edge.verified;
  }
  SignatureMemory* memory = policy_.memory;
  bool verified = memory != nullptr && memory->knows(subject.id(), issuer.spki_sha256());
  if (!verified) {
    if (work_.signature_checks >= policy_.limits.signature_checks) return false;
    verified = check_signature(subject, issuer, key);
    if (verified && memory != nullptr) memory->remember(subject.id(), issuer.spki_sha256());
  }
  edges_.push_back({&subject, &issuer, verified});
  return verified;
}

bool PathBuilder::check_signature(const Certificate& subject, const Certificate& issuer, const VerificationKey* key) {
  ++work_.signature_checks;
  std::optional<VerificationKey> loaded;
  if (key == nullptr) {
    if (!may_spend(kKeyLoadCost)) return false;
    auto parsed = VerificationKey::parse(issuer.spki(), policy_.algorithms);
    if (!parsed.ok()) return false;
    key = &loaded.emplace(std::move(parsed).value());
  }
  if (!may_spend(key->verification_cost())) return false;
  return key->verify(subject.signature_algorithm(), subject.tbs(), subject.signature()).ok();
}

// What would go over the limit is not done, and nothing after it.
bool PathBuilder::may_spend(std::size_t cost) {
  work_.signature_cost += cost;
  return work_.signature_cost <= policy_.limits.signature_cost;
}

// The same CA twice, under whatever certificate, is a loop.
bool PathBuilder::is_in_path(const Certificate& certificate) {
  return std::ranges::any_of(path_, [&](const Certificate* seen) {
    return seen->id() == certificate.id() ||
           (seen->spki_sha256() == certificate.spki_sha256() && names_.same(seen->subject(), certificate.subject()));
  });
}

}  // namespace muster::x509
