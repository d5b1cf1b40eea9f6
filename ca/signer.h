// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the only way to a CA's private key. There is no export: a key comes in wrapped and only signatures go out.
#pragma once

#include <memory>
#include <string>

#include "ca/key_encryption_key.h"
#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/result.h"
#include "x509/public_key.h"

namespace muster::ca {

// KeyOwner says whose key it is and under which name it signs.
struct KeyOwner {
  TenantId tenant;  // nil: the platform's own
  IssuerId issuer;
  Bytes name;  // the issuer's subject Name, DER
};

struct GeneratedKey {
  KeyId id;
  Bytes spki;
  Sha256 spki_sha256{};
  Bytes wrapped;  // for the registry; see ca/key_wrapping.h
};

struct StoredKey {
  KeyId id;
  Sha256 spki_sha256{};  // of the issuer's certificate, not of the blob
  BytesView wrapped;
};

struct SigningRequest {
  TenantId tenant;
  IssuerId issuer;
  BytesView tbs;
};

// Signer holds the loaded keys of issuers. Thread-safe.
class Signer {
 public:
  Signer(KeyEncryptionKey kek, std::string deployment);
  ~Signer();
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  // Makes a key pair (P-256 or P-384) for `owner`, loads it, and returns it wrapped. Reason: signer.unavailable.
  Result<GeneratedKey> generate(const KeyOwner& owner, x509::KeyAlgorithm algorithm);

  // Unwraps a stored key. Loading twice replaces. Reasons: key.unwrap_failed, key.mismatch.
  Result<void> load(const KeyOwner& owner, const StoredKey& key);
  void unload(const IssuerId& issuer);
  std::string kek_id() const;  // lower-case hexadecimal; stored beside each blob
  bool is_loaded(const IssuerId& issuer) const;

  // Signs a TBSCertificate or a TBSCertList after comparing its issuer Name and signature algorithm with those of the
  // named issuer, and the tenant with the key's. Returns the contents of signatureValue.
  // Reasons: signer.key_not_loaded, signer.issuer_mismatch, signer.unavailable.
  Result<Bytes> sign_certificate(const SigningRequest& request) const;
  Result<Bytes> sign_crl(const SigningRequest& request) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// assemble_signed makes a Certificate or CertificateList: SEQUENCE { tbs, the algorithm that tbs names, signature }.
// Reason: lint.malformed.
Result<Bytes> assemble_signed(BytesView tbs, BytesView signature);

}  // namespace muster::ca
