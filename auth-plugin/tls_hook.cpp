// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/tls_hook.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "auth-plugin/coarse_clock.h"
#include "auth-plugin/reasons.h"
#include "x509/reasons.h"

namespace muster::auth_plugin {
namespace {

// Of one SSL object; the leaf's evidence shares it, to learn that the connection is gone.
struct Connection {
  ssl_st* ssl = nullptr;
  std::optional<TenantId> tenant;
  std::unique_ptr<HandshakeGate::Place> place;  // until CONNECT was accepted
  bool opened = false;                          // CONNECT was accepted
};
struct Attached {
  PeerEvidence evidence;
  std::shared_ptr<Connection> connection;
};

// OpenSSL calls back with plain pointers and for as long as the process lives.
HandshakeJudge* judge = nullptr;
HandshakeGate* gate = nullptr;
int connection_index = -1;
int leaf_index = -1;
std::vector<std::weak_ptr<Connection>> newcomers;  // since the last round

std::shared_ptr<Connection>* connection_of(const SSL* ssl) {
  return static_cast<std::shared_ptr<Connection>*>(SSL_get_ex_data(ssl, connection_index));
}

Bytes der_of(X509* certificate) {
  Bytes der;
  const int size = i2d_X509(certificate, nullptr);
  if (size <= 0) return der;
  der.resize(static_cast<std::size_t>(size));
  unsigned char* at = der.data();
  i2d_X509(certificate, &at);
  return der;
}

std::string peer_address(const SSL* ssl) { return peer_address_of(SSL_get_fd(ssl)); }

SourceAddress source_address(int fd) {
  SourceAddress source{};
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return source;
  if (storage.ss_family == AF_INET6) {
    const auto& address = reinterpret_cast<sockaddr_in6*>(&storage)->sin6_addr;
    std::copy_n(reinterpret_cast<const std::uint8_t*>(&address), source.size(), source.begin());
  } else if (storage.ss_family == AF_INET) {
    const auto& address = reinterpret_cast<sockaddr_in*>(&storage)->sin_addr;
    source[10] = source[11] = 0xff;
    std::copy_n(reinterpret_cast<const std::uint8_t*>(&address), sizeof address, source.begin() + 12);
  }
  return source;
}

// The alert that the peer sees follows from this number.
int openssl_error_for(std::string_view reason) {
  namespace r = x509::reasons;
  if (reason == r::kChainExpired) return X509_V_ERR_CERT_HAS_EXPIRED;
  if (reason == r::kChainNotYetValid) return X509_V_ERR_CERT_NOT_YET_VALID;
  if (reason == r::kChainAnchorUnknown) return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
  return X509_V_ERR_CERT_REJECTED;
}

bool verify_presented(X509_STORE_CTX* store) {
  const SSL* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  X509* leaf = X509_STORE_CTX_get0_cert(store);
  auto* connection = ssl ? connection_of(ssl) : nullptr;
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
  if (!judge || !leaf || !connection) return false;

  std::vector<Bytes> ders;
  STACK_OF(X509)* presented = X509_STORE_CTX_get0_untrusted(store);
  for (int i = 0; i < sk_X509_num(presented); ++i) {
    if (sk_X509_value(presented, i) != leaf) ders.push_back(der_of(sk_X509_value(presented, i)));
  }
  const std::vector<BytesView> others(ders.begin(), ders.end());
  const Bytes leaf_der = der_of(leaf);

  auto evidence = judge->judge({leaf_der, others, (*connection)->tenant, peer_address(ssl)});
  if (!evidence.ok()) {
    X509_STORE_CTX_set_error(store, openssl_error_for(evidence.error().reason));
    return false;
  }
  if (gate && (*connection)->place) {
    gate->rest(*(*connection)->place, judge->may_return(*evidence), coarse_steady_now());
  }
  auto* attached = new Attached{std::move(evidence).value(), *connection};
  delete static_cast<Attached*>(X509_get_ex_data(leaf, leaf_index));
  if (X509_set_ex_data(leaf, leaf_index, attached) != 1) {
    delete attached;
    return false;
  }
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return true;
}

int on_verify(X509_STORE_CTX* store, void*) noexcept {
  try {
    return verify_presented(store) ? 1 : 0;
  } catch (...) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
    return 0;
  }
}

// RFC 6066 §3: a list with one host_name entry; nullopt where the client sent none.
std::optional<std::string> server_name(SSL* ssl) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1) return std::nullopt;
  if (size < 5 || data[2] != TLSEXT_NAMETYPE_host_name) return std::nullopt;
  const std::size_t length = static_cast<std::size_t>(data[3]) << 8 | data[4];
  if (length != size - 5) return std::nullopt;
  std::string name(reinterpret_cast<const char*>(data) + 5, length);
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return name;
}

int on_client_hello(SSL* ssl, int* alert, void*) noexcept {
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  try {
    auto* connection = connection_of(ssl);
    if (!judge || !connection) return SSL_CLIENT_HELLO_ERROR;
    const auto name = server_name(ssl);
    if (!name) return SSL_CLIENT_HELLO_SUCCESS;
    auto tenant = judge->tenant_of_server_name(*name);
    if (!tenant.ok()) return SSL_CLIENT_HELLO_ERROR;
    (*connection)->tenant = tenant.value();
    return SSL_CLIENT_HELLO_SUCCESS;
  } catch (...) {
    return SSL_CLIENT_HELLO_ERROR;
  }
}

// The broker reads from connections that are not through their CONNECT when the gate lets it. Held back, a read looks
// like one that found nothing: the octets stay in the kernel, and epoll reports them again in the next round.
long on_socket(BIO* bio, int operation, const char*, std::size_t, int, long, int result, std::size_t* got) noexcept {
  auto* connection = reinterpret_cast<Connection*>(BIO_get_callback_arg(bio));
  if ((operation & ~BIO_CB_RETURN) != BIO_CB_READ || !connection || !connection->place || !gate) return result;
  HandshakeGate::Place& place = *connection->place;
  if (place.is_ended()) {
    BIO_clear_retry_flags(bio);
    return operation == BIO_CB_READ ? 0 : result;  // nothing that came before the end is read
  }
  const auto now = coarse_steady_now();
  if (operation == (BIO_CB_READ | BIO_CB_RETURN)) {
    gate->has_read(place, result > 0 && got && *got > 0, now);
    return result;
  }
  if (gate->may_read(place, now)) return result;
  BIO_clear_retry_flags(bio);
  if (place.is_ended()) return 0;
  BIO_set_retry_read(bio);
  return -1;
}

void watch_socket(const SSL* ssl, Connection* connection) {
  BIO* bio = SSL_get_rbio(ssl);
  if (!bio) return;
  BIO_set_callback_ex(bio, connection ? on_socket : nullptr);
  BIO_set_callback_arg(bio, reinterpret_cast<char*>(connection));
}

void begin_handshake(const SSL* ssl) {
  auto* connection = connection_of(ssl);
  if (!connection || !judge || !gate || (*connection)->place || (*connection)->opened) return;
  const int fd = SSL_get_fd(ssl);
  if (fd < 0) return;
  (*connection)->place = std::make_unique<HandshakeGate::Place>();
  gate->begin(*(*connection)->place, fd, source_address(fd), coarse_steady_now());
  watch_socket(ssl, connection->get());
}

void leave_gate(const SSL* ssl, Connection& connection) {
  if (!connection.place) return;
  if (gate) gate->leave(*connection.place);
  connection.place.reset();
  watch_socket(ssl, nullptr);
}

// Says why a client without a certificate is turned away; refusals of our own verification were told there.
void on_alert_sent(const SSL* ssl, int value) {
  const bool fatal = value >> 8 == SSL3_AL_FATAL;
  const int alert = value & 0xff;
  if (!fatal || SSL_get0_peer_certificate(ssl)) return;
  const auto* connection = connection_of(ssl);
  const std::optional<TenantId> tenant = connection ? (*connection)->tenant : std::nullopt;
  if (alert == SSL_AD_CERTIFICATE_REQUIRED) {
    judge->handshake_refused(reasons::kCertificateMissing, peer_address(ssl), tenant);
  } else if (alert == SSL_AD_HANDSHAKE_FAILURE || alert == SSL_AD_PROTOCOL_VERSION) {
    judge->handshake_refused(reasons::kHandshakeFailed, peer_address(ssl), tenant);
  }
}

void on_handshake_event(const SSL* ssl, int where, int value) noexcept {
  try {
    if (where == SSL_CB_HANDSHAKE_START) {
      begin_handshake(ssl);
    } else if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT && judge) {
      on_alert_sent(ssl, value);
    }
  } catch (...) {
    // Only a count and a line are lost, or (without memory) a place in the gate.
  }
}

// The broker rebuilds contexts at SIGHUP and resets their flags, so this is done again for every connection.
void prepare_context(SSL_CTX* context) {
  SSL_CTX_set_cert_verify_callback(context, on_verify, nullptr);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (judge && judge->uses_server_names()) SSL_CTX_set_client_hello_cb(context, on_client_hello, nullptr);
}

void on_connection_made(void* parent, void*, CRYPTO_EX_DATA* data, int index, long, void*) noexcept {
  SSL* ssl = static_cast<SSL*>(parent);
  if (SSL_CTX* context = SSL_get_SSL_CTX(ssl)) prepare_context(context);
  SSL_set_info_callback(ssl, on_handshake_event);
  SSL_set_num_tickets(ssl, 0);
  SSL_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  try {
    auto connection = std::make_unique<std::shared_ptr<Connection>>(std::make_shared<Connection>());
    (*connection)->ssl = ssl;
    newcomers.push_back(*connection);
    if (CRYPTO_set_ex_data(data, index, connection.get()) == 1) connection.release();
  } catch (...) {
    // Without it the verification refuses.
  }
}

void on_connection_freed(void* parent, void* pointer, CRYPTO_EX_DATA*, int, long, void*) noexcept {
  auto* connection = static_cast<std::shared_ptr<Connection>*>(pointer);
  if (!connection) return;
  leave_gate(static_cast<SSL*>(parent), **connection);
  (*connection)->ssl = nullptr;
  delete connection;
}

void on_leaf_freed(void*, void* pointer, CRYPTO_EX_DATA*, int, long, void*) noexcept {
  delete static_cast<Attached*>(pointer);
}

// A copy of a certificate proves nothing.
int on_leaf_copied(CRYPTO_EX_DATA*, const CRYPTO_EX_DATA*, void** pointer, int, long, void*) noexcept {
  *pointer = nullptr;
  return 1;
}

int on_connection_copied(CRYPTO_EX_DATA*, const CRYPTO_EX_DATA*, void** pointer, int, long, void*) noexcept {
  *pointer = nullptr;
  return 1;
}

}  // namespace

Result<void> install_tls_hook(HandshakeJudge& handshake_judge, HandshakeGate& handshake_gate) {
  judge = &handshake_judge;
  gate = &handshake_gate;
  if (connection_index >= 0) return {};
  leaf_index = X509_get_ex_new_index(0, nullptr, nullptr, on_leaf_copied, on_leaf_freed);
  connection_index = SSL_get_ex_new_index(0, nullptr, on_connection_made, on_connection_copied, on_connection_freed);
  if (leaf_index < 0 || connection_index < 0) return internal_error("OpenSSL gave no ex_data index");
  return {};
}

void admit_newcomers() {
  for (const std::weak_ptr<Connection>& one : std::exchange(newcomers, {})) {
    const auto connection = one.lock();
    if (connection && connection->ssl) begin_handshake(connection->ssl);
  }
}

// The gate stays: connections leave it until the broker has freed them all.
void remove_tls_judge() { judge = nullptr; }

std::optional<ProvedPeer> proved_peer(x509_st* leaf) {
  if (!leaf || leaf_index < 0) return std::nullopt;
  const auto* attached = static_cast<const Attached*>(X509_get_ex_data(leaf, leaf_index));
  if (!attached || !attached->connection->ssl) return std::nullopt;
  SSL* ssl = attached->connection->ssl;
  return ProvedPeer{&attached->evidence, ssl, SSL_session_reused(ssl) == 1};
}

void connection_opened(ssl_st* ssl) {
  auto* connection = ssl ? connection_of(ssl) : nullptr;
  if (!connection) return;
  (*connection)->opened = true;
  leave_gate(ssl, **connection);
  X509* leaf = SSL_get0_peer_certificate(ssl);
  auto* attached = leaf ? static_cast<Attached*>(X509_get_ex_data(leaf, leaf_index)) : nullptr;
  if (attached && X509_set_ex_data(leaf, leaf_index, nullptr) == 1) delete attached;
}

std::string peer_address_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  char text[INET6_ADDRSTRLEN] = "";
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "";
  if (storage.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(&storage)->sin_addr, text, sizeof text);
  } else if (storage.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(&storage)->sin6_addr, text, sizeof text);
  }
  return text;
}

int socket_of(ssl_st* connection) { return connection ? SSL_get_fd(connection) : -1; }

}  // namespace muster::auth_plugin
