// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"
#include "enroll/authority_context.h"
#include "registry/ocsp_store.h"
#include "x509/ocsp_request.h"

namespace muster::enroll {

// OcspIssuerIndex finds the issuer that a CertID names by the hashes of its name and key, SHA-1 or SHA-256. Issuers are
// never forgotten: a retired one's certificates are still asked about. Thread-safe.
class OcspIssuerIndex {
 public:
  explicit OcspIssuerIndex(AuthorityContext& context) : context_(context) {}

  // Both hashes must be of one issuer. Empty: none of ours. Reads new issuers at most twice a second.
  Result<std::optional<IssuerId>> find(const x509::OcspCertIdView& id);
  // Whether the issuer signed the certificate of another CA of ours under this serial.
  bool issued_ca(const IssuerId& issuer, BytesView serial) const;

 private:
  std::optional<IssuerId> look_up(const std::string& key) const;
  Result<void> load_new();
  void add(const registry::OcspIssuer& issuer);  // with mutex_ held exclusively

  AuthorityContext& context_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, IssuerId> by_hashes_;  // guarded by mutex_
  std::set<std::string> ca_serials_;                     // issuer and serial; guarded by mutex_
  std::mutex loading_;
  std::vector<IssuerId> known_;                      // guarded by loading_
  std::chrono::steady_clock::time_point loaded_at_;  // guarded by loading_
};

}  // namespace muster::enroll
