// SPDX-License-Identifier: Apache-2.0
#include "enroll/issuer_cache.h"

#include <mutex>

#include "enroll/key_rows.h"
#include "registry/reasons.h"
#include "registry/wrapped_key_store.h"
#include "x509/certificate.h"
#include "x509/pem.h"

namespace muster::enroll {

namespace {

constexpr std::string_view kLabel = "CERTIFICATE";

Result<LoadedIssuer> describe(const registry::Issuer& issuer, const std::string& plain_url) {
  MUSTER_TRY(const x509::Certificate certificate, x509::Certificate::parse_der(issuer.certificate));
  LoadedIssuer loaded;
  loaded.tenant = issuer.tenant_id;
  MUSTER_TRY(loaded.identity, ca::issuer_identity(certificate, issuer.id, plain_url));
  loaded.certificate_pem = certificate.pem();
  loaded.chain_pem = loaded.certificate_pem;
  loaded.root_pem = loaded.certificate_pem;
  for (std::size_t i = 0; i < issuer.chain.size(); ++i) {
    const std::string pem = x509::write_pem(kLabel, issuer.chain[i]);
    const bool is_root = i + 1 == issuer.chain.size();
    if (is_root) {
      loaded.root_pem = pem;
    } else {
      loaded.chain_pem += pem;
    }
  }
  return loaded;
}

}  // namespace

Result<std::shared_ptr<const LoadedIssuer>> IssuerCache::load(db::Transaction& tx, const registry::Issuer& issuer) {
  {
    const std::shared_lock lock{mutex_};
    const auto found = issuers_.find(issuer.id);
    if (found != issuers_.end()) return found->second;
  }
  // Only requested so far: to everybody who wants to use it, it is not there yet.
  if (issuer.certificate.empty()) return Error{ErrorCode::kNotFound, registry::kIssuerNotFound, "no certificate yet"};
  MUSTER_TRY(LoadedIssuer loaded, describe(issuer, plain_url_));
  MUSTER_TRY(const registry::WrappedKey key, registry::get_wrapped_key(tx, issuer.id));
  // The SPKI hash is the certificate's, so a blob that holds another key does not load.
  MUSTER_TRY(const x509::Certificate certificate, x509::Certificate::parse_der(issuer.certificate));
  const ca::KeyOwner owner{issuer.tenant_id, issuer.id, loaded.identity.name};
  MUSTER_TRY(const ca::StoredKey stored, stored_key(key, certificate.spki_sha256()));
  MUSTER_TRY_VOID(signer_.load(owner, stored));
  auto shared = std::make_shared<const LoadedIssuer>(std::move(loaded));
  const std::unique_lock lock{mutex_};
  issuers_.insert_or_assign(issuer.id, shared);
  return shared;
}

}  // namespace muster::enroll
