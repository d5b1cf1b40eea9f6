// SPDX-License-Identifier: Apache-2.0
#include "ca/device_key_pair.h"

#include <openssl/ec.h>
#include <openssl/x509.h>

#include <memory>

#include "x509/openssl_ptr.h"

namespace muster::ca {

namespace {

using RequestPtr = std::unique_ptr<X509_REQ, x509::OpenSslDelete<&X509_REQ_free>>;
using PrivateKeyInfoPtr = std::unique_ptr<PKCS8_PRIV_KEY_INFO, x509::OpenSslDelete<&PKCS8_PRIV_KEY_INFO_free>>;

Error failed() { return internal_error("device key: " + x509::take_openssl_error()); }

Result<SecretBytes> to_pkcs8(EVP_PKEY* key) {
  const PrivateKeyInfoPtr info{EVP_PKEY2PKCS8(key)};
  if (info == nullptr) return failed();
  unsigned char* der = nullptr;
  const int length = i2d_PKCS8_PRIV_KEY_INFO(info.get(), &der);
  if (length <= 0) return failed();
  SecretBytes pkcs8{Bytes(der, der + length)};
  OPENSSL_clear_free(der, static_cast<std::size_t>(length));
  return pkcs8;
}

Result<Bytes> to_request(EVP_PKEY* key) {
  const RequestPtr request{X509_REQ_new()};
  const bool made = request != nullptr && X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1 &&
                    X509_REQ_set_pubkey(request.get(), key) == 1 && X509_REQ_sign(request.get(), key, EVP_sha256()) > 0;
  if (!made) return failed();
  unsigned char* der = nullptr;
  const int length = i2d_X509_REQ(request.get(), &der);
  if (length <= 0) return failed();
  Bytes out(der, der + length);
  OPENSSL_free(der);
  return out;
}

}  // namespace

Result<DeviceKeyPair> make_device_key_pair() {
  const x509::EvpPkeyPtr key{EVP_EC_gen("P-256")};
  if (key == nullptr) return failed();
  DeviceKeyPair pair;
  MUSTER_TRY(pair.pkcs8, to_pkcs8(key.get()));
  MUSTER_TRY(pair.request, to_request(key.get()));
  return pair;
}

}  // namespace muster::ca
