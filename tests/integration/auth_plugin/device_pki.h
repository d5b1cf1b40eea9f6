// SPDX-License-Identifier: Apache-2.0
//
// Purpose: makes certificates for the plugin's tests with OpenSSL, not with our CA: the forged ones too.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include "core/bytes.h"
#include "core/record.h"

namespace muster::test_support {

struct Credential {
  std::shared_ptr<X509> certificate;
  std::shared_ptr<EVP_PKEY> key;

  Bytes der() const {
    Bytes out(static_cast<std::size_t>(i2d_X509(certificate.get(), nullptr)));
    unsigned char* at = out.data();
    i2d_X509(certificate.get(), &at);
    return out;
  }
  Sha256 id() const {
    Sha256 digest{};
    X509_digest(certificate.get(), EVP_sha256(), digest.data(), nullptr);
    return digest;
  }
  Sha256 key_id() const {
    unsigned char* der = nullptr;
    const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &der);
    Sha256 digest{};
    EVP_Digest(der, static_cast<std::size_t>(size), digest.data(), nullptr, EVP_sha256(), nullptr);
    OPENSSL_free(der);
    return digest;
  }
  void write(const std::string& certificate_path, const std::string& key_path) const {
    std::FILE* file = std::fopen(certificate_path.c_str(), "w");
    PEM_write_X509(file, certificate.get());
    std::fclose(file);
    file = std::fopen(key_path.c_str(), "w");
    PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
  }
};

struct CertificateSpec {
  std::string common_name = "x";
  std::string uri = {};  // URI SAN; empty: none
  std::string extended_key_usage = "clientAuth";
  bool ca = false;
  long not_before_offset = -3600;  // seconds from now
  long not_after_offset = 86400;
};

inline void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (!extension) throw std::runtime_error("extension " + value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Signed by `issuer`, or by its own key where there is none.
inline Credential make_certificate(const CertificateSpec& spec, const Credential* issuer = nullptr) {
  Credential made{{X509_new(), X509_free}, {EVP_EC_gen("P-256"), EVP_PKEY_free}};
  X509* certificate = made.certificate.get();
  X509_set_version(certificate, 2);
  unsigned char serial[16];
  RAND_bytes(serial, sizeof serial);
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x40);
  BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
  X509_gmtime_adj(X509_getm_notBefore(certificate), spec.not_before_offset);
  X509_gmtime_adj(X509_getm_notAfter(certificate), spec.not_after_offset);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(spec.common_name.c_str()), -1, -1, 0);
  X509* parent = issuer ? issuer->certificate.get() : certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(parent));
  X509_set_pubkey(certificate, made.key.get());
  add_extension(certificate, parent, NID_basic_constraints, spec.ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add_extension(certificate, parent, NID_key_usage,
                spec.ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
  add_extension(certificate, parent, NID_subject_key_identifier, "hash");
  if (!spec.extended_key_usage.empty()) add_extension(certificate, parent, NID_ext_key_usage, spec.extended_key_usage);
  if (!spec.uri.empty()) add_extension(certificate, parent, NID_subject_alt_name, "URI:" + spec.uri);
  X509_sign(certificate, issuer ? issuer->key.get() : made.key.get(), EVP_sha256());
  return made;
}

}  // namespace muster::test_support
