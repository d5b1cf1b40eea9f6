// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the only way to a CA's private key, whichever store holds it. There is no export: a key is made or loaded,
// and only signatures go out, each after the to-be-signed bytes were compared with the key's owner.
#pragma once

#include <memory>
#include <string>

#include "ca/key_store.h"
#include "ca/key_store_config.h"
#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"

namespace muster::ca {

struct SigningRequest {
  TenantId tenant;
  IssuerId issuer;
  BytesView tbs;
};

struct RewrappedKey {
  std::string kek_id;
  Bytes wrapped;
};

// Signer holds the loaded keys of issuers. Thread-safe.
class Signer {
 public:
  // `deployment` binds what the stores keep: a blob or a token's key of another deployment does not load.
  Signer(KeyStoreConfig config, std::string deployment);
  ~Signer();
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  // Makes a key pair for `owner` in the configured store and loads it.
  // Reasons: key.algorithm_unavailable, signer.unavailable, signer.token_unavailable.
  Result<GeneratedKey> generate(const KeyOwner& owner, x509::KeyKind kind);

  // Loads a stored key from the store that its row names. Loading twice replaces. Reasons: those of KeyStore::load,
  // signer.store_not_configured.
  Result<void> load(const KeyOwner& owner, const StoredKey& key);
  void unload(const IssuerId& issuer);
  // Unloads a key that this process made, whose issuer was not stored after all, and removes it from its token. What
  // cannot be removed now stays there as a key that no row names.
  void discard(const IssuerId& issuer, const GeneratedKey& key);
  bool is_loaded(const IssuerId& issuer) const;
  // What the token holds of this deployment; none where no token is configured. Reasons: signer.token_unavailable,
  // signer.token_pin_refused.
  Result<std::vector<TokenKey>> token_keys() const;
  // Destroys a key in the token. The caller has made sure that no row names it. Reasons as token_keys().
  Result<void> remove_token_key(const TokenKey& key) const;

  // Signs a TBSCertificate or a TBSCertList after comparing its issuer Name and signature algorithm with those of the
  // named issuer, and the tenant with the key's. Returns the contents of signatureValue.
  // Reasons: signer.key_not_loaded, signer.issuer_mismatch, signer.unavailable, signer.token_unavailable.
  Result<Bytes> sign_certificate(const SigningRequest& request) const;
  Result<Bytes> sign_crl(const SigningRequest& request) const;
  // Signs a CertificationRequestInfo (RFC 2986; ca/ca_request.h) after comparing its subject with the named issuer's
  // Name and the tenant with the key's. Same result and reasons. That the key in it is the issuer's, the request's own
  // signature shows: the caller verifies it.
  Result<Bytes> sign_request(const SigningRequest& request) const;

  // The key-encryption key that wraps what is made now, and how to bring an older blob under it (the key itself is not
  // loaded). Reasons: key.unwrap_failed, kek.unknown.
  std::string kek_id() const;  // lower-case hexadecimal; stored beside each blob
  Result<RewrappedKey> rewrap(const KeyOwner& owner, const StoredKey& key) const;
  KeyRing& key_ring() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// assemble_signed makes a Certificate or CertificateList: SEQUENCE { tbs, the algorithm that tbs names, signature }.
// Reason: lint.malformed.
Result<Bytes> assemble_signed(BytesView tbs, BytesView signature);

}  // namespace muster::ca
