// SPDX-License-Identifier: Apache-2.0
#include "x509/public_numbers.h"

#include "x509/der_reader.h"
#include "x509/oids.h"

namespace muster::x509 {

namespace {

// The BIT STRING of a key of that algorithm.
std::optional<BytesView> key_bits(BytesView spki, BytesView algorithm_oid) {
  DerReaderView outer{spki};
  auto body = outer.enter(tag::kSequence);
  if (!body) return std::nullopt;
  auto algorithm = body->enter(tag::kSequence);
  const auto oid = algorithm ? algorithm->read(tag::kOid) : std::nullopt;
  if (!oid || !oid::equals(oid->contents, algorithm_oid)) return std::nullopt;
  return body->read_octet_bits();
}

}  // namespace

std::optional<BytesView> rsa_modulus(BytesView spki) {
  const auto key = key_bits(spki, oid::kRsaEncryption);
  if (!key) return std::nullopt;
  DerReaderView bits{*key};
  auto numbers = bits.enter(tag::kSequence);
  return numbers ? numbers->read_integer() : std::nullopt;
}

std::optional<BytesView> ed25519_point(BytesView spki) {
  const auto point = key_bits(spki, oid::kEd25519);
  return point && point->size() == 32 ? point : std::nullopt;
}

std::optional<BytesView> ec_first_coordinate(BytesView spki) {
  const auto point = key_bits(spki, oid::kEcPublicKey);
  if (!point || point->size() < 3 || point->front() != 0x04) return std::nullopt;
  return point->subspan(1, (point->size() - 1) / 2);
}

}  // namespace muster::x509
