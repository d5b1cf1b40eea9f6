// SPDX-License-Identifier: Apache-2.0
//
// Purpose: keys as objects of a token: templates, mechanisms, and their public half as a SubjectPublicKeyInfo. Private
// to ca/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ca/pkcs11_token.h"
#include "core/bytes.h"
#include "x509/key_kind.h"

namespace muster::ca {

// TokenKeyName is how both halves of a key are found. The label names the owner, so that a row that was changed to name
// another owner's key finds nothing.
struct TokenKeyName {
  Bytes id;           // CKA_ID
  std::string label;  // CKA_LABEL
};

struct TokenKeyPair {
  CK_OBJECT_HANDLE public_half = 0;
  CK_OBJECT_HANDLE private_half = 0;
};

// Reasons of all: those of Pkcs11Token::Session::check, and
// key.algorithm_unavailable where the token has no such mechanism;
Result<TokenKeyPair> generate_pair(Pkcs11Token::Session& session, const TokenKeyName& name, x509::KeyKind kind);
// key.not_found where there is none, or several;
Result<TokenKeyPair> find_pair(Pkcs11Token::Session& session, const TokenKeyName& name);
// key.extractable unless the private half is sensitive and cannot leave;
Result<void> require_captive(Pkcs11Token::Session& session, CK_OBJECT_HANDLE private_half);
// key.mismatch where it is of no kind that Muster uses. DER.
Result<Bytes> read_spki(Pkcs11Token::Session& session, CK_OBJECT_HANDLE public_half);
// Every private key of the token whose label begins with `label_prefix`.
Result<std::vector<TokenKeyName>> list_keys(Pkcs11Token::Session& session, std::string_view label_prefix);
Result<void> destroy_pair(Pkcs11Token::Session& session, const TokenKeyName& name);

// The contents of signatureValue, by ca/signature_algorithm.h: ECDSA's r and s become DER.
Result<Bytes> sign_with_token(Pkcs11Token::Session& session, CK_OBJECT_HANDLE private_half,
                              x509::KeyAlgorithm algorithm, BytesView message);

}  // namespace muster::ca
