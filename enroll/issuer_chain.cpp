// SPDX-License-Identifier: Apache-2.0
#include "enroll/issuer_chain.h"

#include <algorithm>
#include <set>

#include "enroll/reasons.h"
#include "x509/certificate.h"
#include "x509/public_key.h"
#include "x509/reasons.h"

namespace muster::enroll {

namespace {

constexpr std::uint8_t kUriTag = 6;
constexpr std::uint8_t kDirectoryTag = 4;

bool equal(BytesView a, BytesView b) { return std::ranges::equal(a, b); }

// [RFC5280 4.2.1.10] "host" is that host alone, ".domain" every host below it
bool covers(const std::string& subtree, const std::string& host) {
  if (subtree.starts_with('.')) return host.size() > subtree.size() && host.ends_with(subtree);
  return subtree == host;
}

bool any_covers(const std::vector<x509::GeneralName>& subtrees, const std::string& host) {
  return std::ranges::any_of(subtrees,
                             [&](const x509::GeneralName& s) { return s.tag == kUriTag && covers(s.value, host); });
}

bool has_form(const std::vector<x509::GeneralName>& subtrees, std::uint8_t tag) {
  return std::ranges::any_of(subtrees, [&](const x509::GeneralName& s) { return s.tag == tag; });
}

// Devices have one URI and a subject of nothing but a common name: a permitted directoryName cannot cover that, and an
// excluded one only where it is empty.
bool permits(const x509::NameConstraints& constraints, const std::string& host) {
  if (has_form(constraints.permitted, kUriTag) && !any_covers(constraints.permitted, host)) return false;
  if (has_form(constraints.permitted, kDirectoryTag) || any_covers(constraints.excluded, host)) return false;
  return std::ranges::none_of(constraints.excluded,
                              [](const x509::GeneralName& s) { return s.tag == kDirectoryTag && s.value.size() <= 2; });
}

// ChainJudge goes through one chain and stops at the first fault. Confined to one call.
class ChainJudge {
 public:
  ChainJudge(const std::vector<x509::Certificate>& chain, const ChainExpectation& expected)
      : chain_(chain), expected_(expected) {}

  Result<void> judge() {
    MUSTER_TRY_VOID(judge_issuer());
    for (std::size_t i = 0; i < chain_.size(); ++i) {
      MUSTER_TRY_VOID(judge_ca(i));
      MUSTER_TRY_VOID(judge_signature(i));
    }
    return {};
  }

 private:
  Error fault(std::string_view reason, std::size_t index, std::string_view what) const {
    return {ErrorCode::kInvalidArgument, reason, "certificate " + std::to_string(index + 1) + ": " + std::string(what)};
  }

  // What only the issuer's own certificate must have.
  Result<void> judge_issuer() const {
    const x509::Certificate& own = chain_.front();
    if (own.spki_sha256() != expected_.spki_sha256) {
      return fault(reasons::kChainKeyMismatch, 0, "its key is not the one of the request");
    }
    if (chain_.size() < 2) return fault(reasons::kChainIncomplete, 0, "those who signed it are missing");
    if (!own.allows(x509::KeyUsageBit::kCrlSign)) return fault(reasons::kChainKeyUsage, 0, "cRLSign is missing");
    if (own.subject().size() <= 2) return fault(reasons::kChainSubject, 0, "the subject is empty");
    if (own.subject_key_id().empty()) return fault(reasons::kChainKeyId, 0, "no subject key identifier");
    std::set<Sha256> keys;
    for (std::size_t i = 0; i < chain_.size(); ++i) {
      if (!keys.insert(chain_[i].spki_sha256()).second)
        return fault(reasons::kChainMalformed, i, "its key comes twice");
    }
    return {};
  }

  Result<void> judge_ca(std::size_t index) const {
    const x509::Certificate& ca = chain_[index];
    if (!ca.is_ca()) return fault(reasons::kChainNotCa, index, "not a CA (basicConstraints)");
    if (!ca.allows(x509::KeyUsageBit::kKeyCertSign)) {
      return fault(reasons::kChainKeyUsage, index, "keyCertSign is missing");
    }
    if (expected_.now < ca.not_before()) return fault(reasons::kChainNotValidNow, index, "not valid yet");
    if (expected_.now > ca.not_after()) return fault(reasons::kChainNotValidNow, index, "expired");
    if (!ca.unknown_critical_extensions().empty()) {
      return fault(reasons::kChainExtension, index, ca.unknown_critical_extensions().front());
    }
    const bool client = ca.allows(x509::ExtendedKeyUsage::kClientAuth) || ca.allows(x509::ExtendedKeyUsage::kAny);
    if (ca.has_extended_key_usage() && !client) {
      return fault(reasons::kChainExtendedKeyUsage, index, "extended key usage without clientAuth");
    }
    MUSTER_TRY_VOID(judge_path_length(index));
    return judge_names(index);
  }

  Result<void> judge_path_length(std::size_t index) const {
    if (!chain_[index].path_length()) return {};
    std::size_t below = expected_.path_length;
    // [RFC5280 6.1.4 l] self-issued certificates do not count
    for (std::size_t i = 0; i < index; ++i) below += chain_[i].is_self_issued() ? 0 : 1;
    if (below <= *chain_[index].path_length()) return {};
    return fault(reasons::kChainPathLength, index,
                 "allows " + std::to_string(*chain_[index].path_length()) + " CAs below it, needed are " +
                     std::to_string(below));
  }

  Result<void> judge_names(std::size_t index) const {
    const auto& constraints = chain_[index].name_constraints();
    if (!constraints) return {};
    for (const std::string& host : expected_.uri_hosts) {
      if (!permits(*constraints, host)) {
        return fault(reasons::kChainNameConstraints, index, "its name constraints do not permit devices of " + host);
      }
    }
    return {};
  }

  Result<void> judge_signature(std::size_t index) const {
    const bool is_root = index + 1 == chain_.size();
    const x509::Certificate& subject = chain_[index];
    const x509::Certificate& signer = is_root ? subject : chain_[index + 1];
    if (!equal(subject.issuer(), signer.subject())) {
      return is_root ? fault(reasons::kChainIncomplete, index, "the last one is not a self-signed root")
                     : fault(reasons::kChainSignature, index, "the next one is not its issuer");
    }
    const auto key = x509::PublicKey::parse(signer.spki());
    if (!key.ok()) return fault(reasons::kChainKeyWeak, is_root ? index : index + 1, key.error().reason);
    const auto strong = x509::check_key_strength(signer.spki());
    if (!strong.ok()) return fault(reasons::kChainKeyWeak, is_root ? index : index + 1, strong.error().reason);
    const auto verified = key->verify(subject.signature_algorithm(), subject.tbs(), subject.signature());
    if (verified.ok()) return {};
    if (verified.error().reason == x509::reasons::kSignatureAlgorithmUnsupported) {
      if (is_root) return {};  // nobody relies on it
      return fault(reasons::kChainSignatureWeak, index, "signed with SHA-1, or by an algorithm that is not known here");
    }
    return fault(reasons::kChainSignature, index, "the signature is not by the next one's key");
  }

  const std::vector<x509::Certificate>& chain_;
  const ChainExpectation& expected_;
};

}  // namespace

Result<CheckedChain> check_issuer_chain(std::string_view pem, const ChainExpectation& expected) {
  const auto parsed = x509::Certificate::parse_pem_list(pem, kMaxIssuerChain);
  if (!parsed.ok())
    return Error{ErrorCode::kInvalidArgument, reasons::kChainMalformed, std::string(parsed.error().reason)};
  MUSTER_TRY_VOID(ChainJudge(*parsed, expected).judge());
  CheckedChain checked;
  const auto der_of = [](const x509::Certificate& c) { return Bytes(c.der().begin(), c.der().end()); };
  checked.certificate = der_of(parsed->front());
  for (std::size_t i = 1; i < parsed->size(); ++i) checked.chain.push_back(der_of((*parsed)[i]));
  checked.not_before = parsed->front().not_before();
  checked.not_after = parsed->front().not_after();
  return checked;
}

}  // namespace muster::enroll
