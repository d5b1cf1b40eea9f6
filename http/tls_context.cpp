// SPDX-License-Identifier: Apache-2.0
#include "http/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include <cstring>

#include "core/file.h"
#include "http/reasons.h"

namespace muster::http {
namespace {

constexpr std::size_t kMaxPemBytes = 64u << 10;
constexpr long kMaxPeerChainBytes = 32'768;
constexpr std::size_t kMaxPeerChainLength = 8;

std::string drain_openssl_errors() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    char line[256];
    ERR_error_string_n(code, line, sizeof line);
    text.append(text.empty() ? "" : "; ").append(line);
  }
  return text;
}

Error files_unusable(const std::string& what) {
  return {ErrorCode::kInvalidArgument, reasons::kTlsFiles, what + " " + drain_openssl_errors()};
}

Bytes to_der(X509* certificate) {
  unsigned char* der = nullptr;
  const int length = i2d_X509(certificate, &der);
  if (length <= 0) return {};
  Bytes out{der, der + length};
  OPENSSL_free(der);
  return out;
}

std::vector<Bytes> to_chain(X509* leaf, STACK_OF(X509) * others) {
  std::vector<Bytes> chain;
  if (leaf != nullptr) chain.push_back(to_der(leaf));
  for (int i = 0; others != nullptr && i < sk_X509_num(others); ++i) {
    Bytes der = to_der(sk_X509_value(others, i));
    if (chain.empty() || der != chain.front()) chain.push_back(std::move(der));
  }
  return chain;
}

// Clients of HTTP/2 agree on what we speak.
int select_protocol(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* offered,
                    unsigned int offered_length, void*) {
  static constexpr unsigned char kSpoken[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(&chosen, length, kSpoken, sizeof kSpoken - 1, offered, offered_length);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

Result<std::unique_ptr<TlsContext>> TlsContext::create(TlsConfig config) {
  std::unique_ptr<TlsContext> self{new TlsContext{std::move(config)}};
  self->context_.reset(SSL_CTX_new(TLS_server_method()));
  if (self->context_ == nullptr) return files_unusable("no TLS context");
  MUSTER_TRY_VOID(self->load_files());
  MUSTER_TRY_VOID(self->harden());
  return self;
}

Result<void> TlsContext::load_files() {
  if (SSL_CTX_use_certificate_chain_file(get(), config_.certificate_file.c_str()) != 1) {
    return files_unusable("certificate file " + config_.certificate_file);
  }
  MUSTER_TRY(const SecretBytes pem, read_secret_file(config_.key_file, kMaxPemBytes));
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio{BIO_new_mem_buf(pem.view().data(), static_cast<int>(pem.size())),
                                                      &BIO_free};
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{
      PEM_read_bio_PrivateKey(
          bio.get(), nullptr, [](char*, int, int, void*) { return 0; }, nullptr),
      &EVP_PKEY_free};
  if (key == nullptr || SSL_CTX_use_PrivateKey(get(), key.get()) != 1 || SSL_CTX_check_private_key(get()) != 1) {
    return files_unusable("key file " + config_.key_file);
  }
  return {};
}

Result<void> TlsContext::harden() {
  SSL_CTX* context = get();
  SSL_CTX_set_options(
      context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_cert_list(context, kMaxPeerChainBytes);
  SSL_CTX_set_alpn_select_cb(context, &select_protocol, nullptr);
  const bool set = SSL_CTX_set_num_tickets(context, 0) == 1 &&
                   SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
                   SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
                   SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1;
  if (!set) return files_unusable("TLS settings");
  if (config_.client_certificate == ClientCertificate::kNotAsked) return {};
  if (!config_.verify_client) return files_unusable("client certificates without a verifier");
  int mode = SSL_VERIFY_PEER;
  if (config_.client_certificate == ClientCertificate::kRequired) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(context, mode, nullptr);
  SSL_CTX_set_cert_verify_callback(context, &TlsContext::verify, this);
  return {};
}

int TlsContext::verify(X509_STORE_CTX* store, void* self) {
  const auto* context = static_cast<const TlsContext*>(self);
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  const auto chain = to_chain(X509_STORE_CTX_get0_cert(store), X509_STORE_CTX_get0_untrusted(store));
  if (chain.empty() || chain.size() > kMaxPeerChainLength) return 0;
  try {
    if (!context->config_.verify_client(chain).ok()) return 0;
  } catch (...) {
    return 0;  // an error while deciding is a deny; nothing may be thrown through OpenSSL
  }
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}

std::vector<Bytes> peer_chain(const SSL* ssl) {
  // On the server's side the chain does not hold the end entity's certificate.
  return to_chain(SSL_get0_peer_certificate(ssl), SSL_get_peer_cert_chain(ssl));
}

}  // namespace muster::http
