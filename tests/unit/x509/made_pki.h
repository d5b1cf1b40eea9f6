// SPDX-License-Identifier: Apache-2.0
//
// Purpose: certificates and CRLs for tests that need more of them than anybody wants to keep as files. Made by OpenSSL,
// not by our CA.
#pragma once

#include <openssl/conf.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "x509/certificate.h"

namespace muster::x509::made {

inline void require(bool ok) {
  if (!ok) throw std::runtime_error("OpenSSL refused to make test data");
}

using Key = std::shared_ptr<EVP_PKEY>;
// OpenSSL's configuration syntax: {"basicConstraints", "critical,CA:TRUE"}
using Extensions = std::vector<std::pair<std::string, std::string>>;

inline Key new_key() { return Key{EVP_EC_gen("P-256"), &EVP_PKEY_free}; }
inline Key new_rsa_key(std::size_t bits) { return Key{EVP_RSA_gen(bits), &EVP_PKEY_free}; }

inline Extensions ca_extensions(const Extensions& more = {}) {
  Extensions extensions{{"basicConstraints", "critical,CA:TRUE"}, {"keyUsage", "critical,keyCertSign,cRLSign"}};
  extensions.insert(extensions.end(), more.begin(), more.end());
  return extensions;
}

struct Name {
  explicit Name(const std::string& common_name) : name(X509_NAME_new(), &X509_NAME_free) {
    const auto* text = reinterpret_cast<const unsigned char*>(common_name.data());
    require(X509_NAME_add_entry_by_txt(name.get(), "CN", MBSTRING_UTF8, text, static_cast<int>(common_name.size()), -1,
                                       0) == 1);
  }
  std::unique_ptr<X509_NAME, decltype(&X509_NAME_free)> name;
};

// Some extensions look for a configuration, if only to find nothing in it.
inline CONF* empty_configuration() {
  static const std::unique_ptr<CONF, decltype(&NCONF_free)> configuration{NCONF_new(nullptr), &NCONF_free};
  return configuration.get();
}

template <typename T, typename Encode>
Bytes to_der(T* object, Encode encode) {
  unsigned char* octets = nullptr;
  const int size = encode(object, &octets);
  require(size > 0);
  Bytes der(octets, octets + size);
  OPENSSL_free(octets);
  return der;
}

struct CertificateSpec {
  std::string subject;
  Key key;
  std::string issuer;
  Key issuer_key;
  Extensions extensions{};
  long serial = 1;
  const EVP_MD* digest = EVP_sha256();
};

// Valid from 2026-01-01 to 2049-01-01, with SKI and AKI (keyIdentifier, SHA-1 of the key).
inline Bytes certificate_der(const CertificateSpec& spec) {
  const std::unique_ptr<X509, decltype(&X509_free)> made{X509_new(), &X509_free};
  const std::unique_ptr<X509, decltype(&X509_free)> issuer{X509_new(), &X509_free};  // for its key id only
  require(X509_set_pubkey(issuer.get(), spec.issuer_key.get()) == 1);
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer.get(), made.get(), nullptr, nullptr, 0);
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), spec.serial);
  X509_set_subject_name(made.get(), Name{spec.subject}.name.get());
  X509_set_issuer_name(made.get(), Name{spec.issuer}.name.get());
  ASN1_TIME_set_string_X509(X509_getm_notBefore(made.get()), "20260101000000Z");
  ASN1_TIME_set_string_X509(X509_getm_notAfter(made.get()), "20490101000000Z");
  require(X509_set_pubkey(made.get(), spec.key.get()) == 1);
  const auto add = [&](X509* to, const std::string& name, const std::string& value) {
    X509V3_set_nconf(&context, empty_configuration());
    X509_EXTENSION* extension = X509V3_EXT_nconf(empty_configuration(), &context, name.c_str(), value.c_str());
    require(extension != nullptr && X509_add_ext(to, extension, -1) == 1);
    X509_EXTENSION_free(extension);
  };
  X509V3_set_ctx(&context, issuer.get(), issuer.get(), nullptr, nullptr, 0);
  add(issuer.get(), "subjectKeyIdentifier", "hash");
  X509V3_set_ctx(&context, issuer.get(), made.get(), nullptr, nullptr, 0);
  add(made.get(), "subjectKeyIdentifier", "hash");
  add(made.get(), "authorityKeyIdentifier", "keyid");
  for (const auto& [name, value] : spec.extensions) add(made.get(), name, value);
  require(X509_sign(made.get(), spec.issuer_key.get(), spec.digest) > 0);
  return to_der(made.get(), i2d_X509);
}

inline Certificate certificate(const CertificateSpec& spec) {
  return Certificate::parse_der(certificate_der(spec)).value();
}

// A CA with its key, certified by itself.
struct Root {
  explicit Root(std::string ca_name, const Extensions& more = {})
      : name(std::move(ca_name)),
        key(new_key()),
        certificate(made::certificate({name, key, name, key, ca_extensions(more)})) {}
  std::string name;
  Key key;
  Certificate certificate;
};

struct CrlSpec {
  std::string issuer;
  Key key;
  std::string this_update = "20260601000000Z";
  std::string next_update = "20260701000000Z";  // empty: none
  Extensions extensions{{"2.5.29.20", "DER:020105"}};
  std::vector<long> revoked{};
};

inline Bytes crl_der(const CrlSpec& spec) {
  const std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> made{X509_CRL_new(), &X509_CRL_free};
  X509_CRL_set_version(made.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(made.get(), Name{spec.issuer}.name.get());
  const std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> time{ASN1_TIME_new(), &ASN1_TIME_free};
  ASN1_TIME_set_string_X509(time.get(), spec.this_update.c_str());
  X509_CRL_set1_lastUpdate(made.get(), time.get());
  if (!spec.next_update.empty()) {
    ASN1_TIME_set_string_X509(time.get(), spec.next_update.c_str());
    X509_CRL_set1_nextUpdate(made.get(), time.get());
  }
  for (const long serial : spec.revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    const std::unique_ptr<ASN1_INTEGER, decltype(&ASN1_INTEGER_free)> number{ASN1_INTEGER_new(), &ASN1_INTEGER_free};
    ASN1_INTEGER_set(number.get(), serial);
    X509_REVOKED_set_serialNumber(entry, number.get());
    ASN1_TIME_set_string_X509(time.get(), spec.this_update.c_str());
    X509_REVOKED_set_revocationDate(entry, time.get());
    require(X509_CRL_add0_revoked(made.get(), entry) == 1);
  }
  X509V3_CTX context;
  X509V3_set_ctx(&context, nullptr, nullptr, nullptr, made.get(), 0);
  for (const auto& [name, value] : spec.extensions) {
    X509V3_set_nconf(&context, empty_configuration());
    X509_EXTENSION* extension = X509V3_EXT_nconf(empty_configuration(), &context, name.c_str(), value.c_str());
    require(extension != nullptr && X509_CRL_add_ext(made.get(), extension, -1) == 1);
    X509_EXTENSION_free(extension);
  }
  require(X509_CRL_sign(made.get(), spec.key.get(), EVP_sha256()) > 0);
  return to_der(made.get(), i2d_X509_CRL);
}

}  // namespace muster::x509::made
