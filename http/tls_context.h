// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <vector>

#include "core/result.h"
#include "http/server.h"

namespace muster::http {

// TlsContext is the server side of TLS: 1.2 or newer, forward secrecy and AEAD only, no renegotiation, no compression
// and neither tickets nor a session cache (a resumed session would show a certificate that nobody proved).
// Immutable, thread-safe. Must not move: OpenSSL keeps a pointer to it.
class TlsContext {
 public:
  // Reasons: http.tls_files_unusable, file.missing, file.permissions_too_open.
  static Result<std::unique_ptr<TlsContext>> create(TlsConfig config);
  SSL_CTX* get() const { return context_.get(); }

 private:
  struct Delete {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  explicit TlsContext(TlsConfig config) : config_(std::move(config)) {}
  Result<void> load_files();
  Result<void> harden();
  static int verify(X509_STORE_CTX* store, void* self);

  TlsConfig config_;
  std::unique_ptr<SSL_CTX, Delete> context_;
};

// peer_chain copies what the client proved to hold (end entity first); empty when it presented nothing.
std::vector<Bytes> peer_chain(const SSL* ssl);

}  // namespace muster::http
