// SPDX-License-Identifier: Apache-2.0
#include "ca/ocsp_response.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <cstdio>

#include "ca/der_writer.h"
#include "ca/reasons.h"
#include "ca/signature_algorithm.h"
#include "x509/der_reader.h"
#include "x509/oids.h"
#include "x509/openssl_ptr.h"
#include "x509/sha256.h"

namespace muster::ca {

namespace oid = x509::oid;
namespace tag = x509::tag;

namespace {

Error unavailable() { return Error{ErrorCode::kInternal, reasons::kSignerUnavailable, x509::take_openssl_error()}; }

// The key's BIT STRING without tag, length and unused bits.
std::optional<BytesView> key_bits(BytesView spki) {
  x509::DerReaderView outer{spki};
  auto body = outer.enter(tag::kSequence);
  if (!body || !body->read(tag::kSequence)) return std::nullopt;
  return body->read_octet_bits();
}

Bytes sha1(BytesView octets) {
  Bytes hash(SHA_DIGEST_LENGTH);
  SHA1(octets.data(), octets.size(), hash.data());
  return hash;
}

// OCSP has GeneralizedTime in all years [RFC6960 4.2.2.1].
void generalized_time(DerWriter& writer, UtcTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  char text[40];
  const int length = std::snprintf(text, sizeof text, "%04d%02u%02u%02d%02d%02dZ", static_cast<int>(date.year()),
                                   static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                   static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                                   static_cast<int>(clock.seconds().count()));
  writer.text(tag::kGeneralizedTime, {text, static_cast<std::size_t>(length)});
}

void single_response(DerWriter& writer, const OcspSingleAnswer& answer, const OcspAnswerOrder& order) {
  writer.constructed(tag::kSequence, [&] {
    writer.raw(answer.cert_id);
    switch (answer.status) {
      case OcspCertStatus::kGood: writer.primitive(tag::context(0), {}); break;
      case OcspCertStatus::kRevoked:
        writer.constructed(tag::context_constructed(1), [&] {
          generalized_time(writer, answer.revoked_at);
          if (answer.revocation_reason == 0) return;
          writer.constructed(tag::context_constructed(0), [&] {
            writer.primitive(tag::kEnumerated, {&answer.revocation_reason, 1});
          });
        });
        break;
      case OcspCertStatus::kUnknown: writer.primitive(tag::context(2), {}); break;
    }
    generalized_time(writer, order.this_update);
    writer.constructed(tag::context_constructed(0), [&] { generalized_time(writer, order.next_update); });
  });
}

Bytes response_data(const OcspAnswerOrder& order, BytesView responder_hash) {
  DerWriter writer;
  writer.constructed(tag::kSequence, [&] {
    writer.constructed(tag::context_constructed(2),
                       [&] { writer.primitive(tag::kOctetString, responder_hash); });  // byKey
    generalized_time(writer, order.produced_at);
    writer.constructed(tag::kSequence, [&] {
      for (const OcspSingleAnswer& answer : order.answers) single_response(writer, answer, order);
    });
    if (!order.nonce) return;
    writer.constructed(tag::context_constructed(1), [&] {
      writer.constructed(tag::kSequence, [&] {
        writer.constructed(tag::kSequence, [&] {
          writer.oid(oid::kOcspNonce);
          writer.constructed(tag::kOctetString, [&] { writer.primitive(tag::kOctetString, *order.nonce); });
        });
      });
    });
  });
  return writer.take();
}

}  // namespace

Result<ResponderKey> ResponderKey::generate() {
  x509::EvpPkeyPtr key{EVP_EC_gen("P-256")};
  if (!key) return unavailable();
  std::uint8_t* der = nullptr;
  const int size = i2d_PUBKEY(key.get(), &der);
  if (size <= 0) return unavailable();
  Bytes spki(der, der + size);
  OPENSSL_free(der);
  return ResponderKey{
      std::shared_ptr<void>(key.release(), [](void* held) { EVP_PKEY_free(static_cast<EVP_PKEY*>(held)); }),
      std::move(spki)};
}

Result<Bytes> ResponderKey::sign(BytesView message) const {
  const x509::EvpMdCtxPtr context{EVP_MD_CTX_new()};
  auto* key = static_cast<EVP_PKEY*>(key_.get());
  Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(key)));
  std::size_t size = signature.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1) {
    return unavailable();
  }
  signature.resize(size);
  return signature;
}

std::optional<OcspIssuerHashes> ocsp_issuer_hashes(BytesView name, BytesView spki) {
  const auto key = key_bits(spki);
  if (!key) return std::nullopt;
  return OcspIssuerHashes{sha1(name), sha1(*key), x509::sha256(name), x509::sha256(*key)};
}

Result<Bytes> sign_ocsp_response(const OcspAnswerOrder& order, const ResponderKey& key, BytesView certificate) {
  const Bytes data = response_data(order, sha1(key_bits(key.spki()).value_or(BytesView{})));
  MUSTER_TRY(const Bytes signature, key.sign(data));
  DerWriter basic;
  basic.constructed(tag::kSequence, [&] {
    basic.raw(data);
    basic.raw(signature_algorithm(x509::KeyAlgorithm::kP256));
    basic.bit_string(signature);
    basic.constructed(tag::context_constructed(0),
                      [&] { basic.constructed(tag::kSequence, [&] { basic.raw(certificate); }); });
  });
  DerWriter writer;
  writer.constructed(tag::kSequence, [&] {
    constexpr std::uint8_t kSuccessful = 0;
    writer.primitive(tag::kEnumerated, {&kSuccessful, 1});
    writer.constructed(tag::context_constructed(0), [&] {
      writer.constructed(tag::kSequence, [&] {
        writer.oid(oid::kOcspBasic);
        writer.primitive(tag::kOctetString, basic.bytes());
      });
    });
  });
  return writer.take();
}

Bytes ocsp_error_response(OcspErrorStatus status) {
  const auto code = static_cast<std::uint8_t>(status);
  DerWriter writer;
  writer.constructed(tag::kSequence, [&] { writer.primitive(tag::kEnumerated, {&code, 1}); });
  return writer.take();
}

}  // namespace muster::ca
