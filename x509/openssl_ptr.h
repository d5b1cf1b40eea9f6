// SPDX-License-Identifier: Apache-2.0
//
// Purpose: owners for OpenSSL's handles. No implicit conversion to the raw pointer: .get() where a call needs it.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace muster::x509 {

template <auto kFree>
struct OpenSslDelete {
  template <typename T>
  void operator()(T* handle) const {
    kFree(handle);
  }
};

using EvpPkeyPtr = std::unique_ptr<EVP_PKEY, OpenSslDelete<&EVP_PKEY_free>>;
using EvpPkeyCtxPtr = std::unique_ptr<EVP_PKEY_CTX, OpenSslDelete<&EVP_PKEY_CTX_free>>;
using EvpMdCtxPtr = std::unique_ptr<EVP_MD_CTX, OpenSslDelete<&EVP_MD_CTX_free>>;
using EvpCipherCtxPtr = std::unique_ptr<EVP_CIPHER_CTX, OpenSslDelete<&EVP_CIPHER_CTX_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, OpenSslDelete<&BN_free>>;
using BnCtxPtr = std::unique_ptr<BN_CTX, OpenSslDelete<&BN_CTX_free>>;
using EcGroupPtr = std::unique_ptr<EC_GROUP, OpenSslDelete<&EC_GROUP_free>>;
using EcPointPtr = std::unique_ptr<EC_POINT, OpenSslDelete<&EC_POINT_free>>;
using BioPtr = std::unique_ptr<BIO, OpenSslDelete<&BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, OpenSslDelete<&X509_free>>;

// take_openssl_error drains and clears this thread's error queue and returns its text, oldest first; "no OpenSSL error
// recorded" where the queue is empty, so that a failure always has a detail.
std::string take_openssl_error();

}  // namespace muster::x509
