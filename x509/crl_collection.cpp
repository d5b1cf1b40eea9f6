// SPDX-License-Identifier: Apache-2.0
#include "x509/crl_collection.h"

#include <algorithm>

namespace muster::x509 {

namespace {

constexpr std::size_t kMaxTries = 256;

// CrlCollector accepts CRLs in rounds: what one round accepts may be what a signer of the next needs. Used once.
class CrlCollector {
 public:
  CrlCollector(const CrlCollection& collection, const PathPolicy& path, const CrlPolicy& crl)
      : collection_(collection), path_(path), crl_(crl) {
    path_.usage.reset();  // a CRL signer needs no usage of TLS
    path_.crls = &accepted_;
  }

  std::vector<ImportedCrl> run() {
    const auto first = collection_.crls.first(std::min(collection_.crls.size(), kMaxCollectedCrls));
    std::vector<BytesView> pending{first.begin(), first.end()};
    for (std::size_t before = pending.size() + 1; pending.size() < before;) {
      before = pending.size();
      std::erase_if(pending, [&](BytesView der) { return accept(der); });
    }
    return std::move(accepted_);
  }

 private:
  bool accept(BytesView der) {
    for (const Certificate& anchor : collection_.anchors) {
      if (!may_try()) return false;
      if (accept_signed_by(der, anchor, anchor.spki_sha256())) return true;
    }
    for (const Certificate& certificate : collection_.certificates) {
      if (!may_try()) return false;
      const auto crl = check_crl(der, certificate, crl_);
      if (!crl.ok()) continue;
      const PathReport report = validate_path(certificate, collection_.certificates, collection_.anchors, path_);
      if (report.valid() && accept_signed_by(der, certificate, report.path.back().spki_sha256())) return true;
    }
    return false;
  }

  // Each try may cost a few signature checks, and who presents all this chooses the names.
  bool may_try() { return tries_++ < kMaxTries; }

  bool accept_signed_by(BytesView der, const Certificate& signer, const Sha256& anchor_spki) {
    auto crl = check_crl(der, signer, crl_);
    if (!crl.ok()) return false;
    crl->anchor_spki = anchor_spki;
    accepted_.push_back(std::move(*crl));
    return true;
  }

  const CrlCollection& collection_;
  PathPolicy path_;
  const CrlPolicy& crl_;
  std::vector<ImportedCrl> accepted_;
  std::size_t tries_ = 0;
};

}  // namespace

std::vector<ImportedCrl> collect_crls(const CrlCollection& collection, const PathPolicy& path, const CrlPolicy& crl) {
  return CrlCollector{collection, path, crl}.run();
}

}  // namespace muster::x509
