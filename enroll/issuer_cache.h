// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>

#include "ca/signer.h"
#include "ca/tbs_certificate.h"
#include "core/id.h"
#include "core/result.h"
#include "db/transaction.h"
#include "registry/issuer_store.h"

namespace muster::enroll {

// LoadedIssuer is an issuer whose key the signer holds, in the form that issuing needs. Immutable.
struct LoadedIssuer {
  TenantId tenant;  // nil: of the platform
  ca::IssuerIdentity identity;
  std::string certificate_pem;
  std::string chain_pem;  // the issuer and those above it, without the root: what a device presents beside its own
  std::string root_pem;   // of the root; of itself when it is one
};

// IssuerCache keeps loaded issuers by id. An issuer's certificate and key never change under one id, so nothing in it
// grows stale; which issuer is active is asked of the registry each time. Thread-safe.
class IssuerCache {
 public:
  IssuerCache(ca::Signer& signer, std::string plain_url) : signer_(signer), plain_url_(std::move(plain_url)) {}

  // Loads the key of `issuer` from the registry unless it is loaded. The scope must show the issuer's key.
  // Reasons: issuer.not_found, key.unwrap_failed, key.mismatch, certificate.*.
  Result<std::shared_ptr<const LoadedIssuer>> load(db::Transaction& tx, const registry::Issuer& issuer);

  ca::Signer& signer() const { return signer_; }
  const std::string& plain_url() const { return plain_url_; }

 private:
  ca::Signer& signer_;
  const std::string plain_url_;
  std::shared_mutex mutex_;
  std::unordered_map<IssuerId, std::shared_ptr<const LoadedIssuer>> issuers_;  // guarded by mutex_
};

}  // namespace muster::enroll
