// SPDX-License-Identifier: Apache-2.0
#include "cli/device_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>

#include "cli/reasons.h"
#include "x509/openssl_ptr.h"

namespace muster::cli {
namespace {

using x509::BioPtr;
using x509::EvpPkeyPtr;
using x509::X509Ptr;
using RequestPtr = std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)>;

Error unusable(const char* step) {
  ERR_clear_error();
  return Error{ErrorCode::kInternal, kKeyUnusable, std::string("OpenSSL could not ") + step};
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

Result<std::string> key_to_pem(EVP_PKEY* key) {
  BioPtr out(BIO_new(BIO_s_mem()));
  if (!out || PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return unusable("write a private key");
  }
  return text_of(out.get());
}

Result<X509Ptr> read_certificate(const std::string& pem) {
  BioPtr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  X509Ptr certificate(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
  if (!certificate) return unusable("read a certificate");
  return certificate;
}

Result<std::string> certificate_to_pem(X509* certificate) {
  BioPtr out(BIO_new(BIO_s_mem()));
  if (!out || PEM_write_bio_X509(out.get(), certificate) != 1) return unusable("write a certificate");
  return text_of(out.get());
}

Result<std::string> request_for(EVP_PKEY* key, const std::string& common_name) {
  const RequestPtr request(X509_REQ_new(), &X509_REQ_free);
  X509_NAME* name = X509_REQ_get_subject_name(request.get());  // borrowed
  // X.520 ub-common-name is 64 characters.
  const std::string shown = common_name.substr(0, 64);
  if (X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(shown.data()),
                                 static_cast<int>(shown.size()), -1, 0) != 1 ||
      X509_REQ_set_pubkey(request.get(), key) != 1 || X509_REQ_sign(request.get(), key, EVP_sha256()) <= 0) {
    return unusable("sign a certificate request");
  }
  BioPtr out(BIO_new(BIO_s_mem()));
  if (!out || PEM_write_bio_X509_REQ(out.get(), request.get()) != 1) return unusable("write a certificate request");
  return text_of(out.get());
}

// Signs a copy of `original` for `key` with another issuer key: same names, same extensions, another signature.
Result<X509Ptr> resign(X509* original, EVP_PKEY* key, EVP_PKEY* issuer_key) {
  X509Ptr copy(X509_dup(original));
  if (!copy || X509_set_pubkey(copy.get(), key) != 1 || X509_sign(copy.get(), issuer_key, EVP_sha256()) <= 0) {
    return unusable("sign a certificate");
  }
  return copy;
}

}  // namespace

Result<KeyAndRequest> make_key_and_request(const std::string& common_name) {
  const EvpPkeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return unusable("make a P-256 key");
  MUSTER_TRY(std::string key_pem, key_to_pem(key.get()));
  MUSTER_TRY(std::string request_pem, request_for(key.get(), common_name));
  return KeyAndRequest{std::move(key_pem), std::move(request_pem)};
}

Result<std::string> make_request(const std::string& key_pem, const std::string& common_name) {
  BioPtr in(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
  const EvpPkeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  if (!key) return unusable("read the private key");
  return request_for(key.get(), common_name);
}

Result<Lookalike> make_lookalike(const std::string& issuer_pem, const std::string& device_certificate_pem) {
  MUSTER_TRY(const X509Ptr issuer, read_certificate(issuer_pem));
  MUSTER_TRY(const X509Ptr device, read_certificate(device_certificate_pem));
  const EvpPkeyPtr authority_key(EVP_EC_gen("P-256"));
  const EvpPkeyPtr device_key(EVP_EC_gen("P-256"));
  if (!authority_key || !device_key) return unusable("make a P-256 key");
  MUSTER_TRY(const X509Ptr authority, resign(issuer.get(), authority_key.get(), authority_key.get()));
  MUSTER_TRY(const X509Ptr forged, resign(device.get(), device_key.get(), authority_key.get()));
  Lookalike out;
  MUSTER_TRY(out.authority_pem, certificate_to_pem(authority.get()));
  MUSTER_TRY(out.certificate_pem, certificate_to_pem(forged.get()));
  MUSTER_TRY(out.key_pem, key_to_pem(device_key.get()));
  return out;
}

Result<long> certificate_not_after(const std::string& pem) {
  MUSTER_TRY(const X509Ptr certificate, read_certificate(pem));
  std::tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &parts) != 1)
    return unusable("read a certificate's dates");
  return static_cast<long>(timegm(&parts));
}

}  // namespace muster::cli
