// SPDX-License-Identifier: Apache-2.0
//
// Purpose: writes a TBSCertificate (RFC 5280 §4.1) by hand: for a device only serial, validity, names, key and key
// identifier vary, and building one costs a few microseconds. ca/certificate_linter.h reads it back with other code.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ca/profile.h"
#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"
#include "core/time.h"
#include "x509/certificate.h"
#include "x509/public_key.h"

namespace muster::ca {

// IssuerIdentity is what a certificate says about who signed it.
struct IssuerIdentity {
  IssuerId id;
  Bytes name;            // subject Name of the issuer, DER
  Bytes subject_key_id;  // of the issuer; becomes the AKI
  UtcTime not_before{};
  UtcTime not_after{};  // no certificate outlives it
  x509::KeyAlgorithm algorithm = x509::KeyAlgorithm::kP256;
  std::string plain_url;  // base of the pointers to revocation data; empty: none
};

// Reads the identity off an issuer's certificate. Reason: profile.invalid where it is not a CA's.
Result<IssuerIdentity> issuer_identity(const x509::Certificate& certificate, const IssuerId& id,
                                       const std::string& plain_url);
// "{plain_url}/crl/{issuer id}/{shard}.crl" and "{plain_url}/ocsp"; empty where the issuer has no plain_url.
std::string crl_uri(const IssuerIdentity& issuer, std::uint32_t shard);
std::string ocsp_uri(const IssuerIdentity& issuer);

struct CertificateSubject {
  std::string common_name;  // for people; empty: an empty subject (device ids over 64 characters)
  Bytes spki;               // DER
  x509::KeyAlgorithm key_algorithm = x509::KeyAlgorithm::kP256;
  std::vector<x509::GeneralName> names;  // SAN; a device has exactly one URI
  std::string permitted_uri_host;        // CAs of a tenant only
};

// subject_name writes the Name of a certificate: CN=`common_name` (UTF-8), or an empty Name.
Bytes subject_name(const std::string& common_name);

// subject_key_id: leftmost 160 bits of the SHA-256 of the key's BIT STRING (RFC 7093 §2 method 1).
Bytes subject_key_id(BytesView spki);

// random_serial: 20 octets, first bit 0, second 1, so positive, of constant length, with 158 random bits.
Bytes random_serial();

// crl_shard_of: the last 32 bits of the serial modulo `shards` (at least 1). Random, so shards grow evenly.
std::uint32_t crl_shard_of(BytesView serial, std::uint32_t shards);

// build_tbs_certificate: notBefore = `now` - backdate but not before the issuer's; notAfter = `now` + validity - 1 s
// (inclusive, RFC 5280 §4.1.2.5) but not after the issuer's. For a self-signed root `issuer` describes the root itself.
// Reasons: profile.key_not_allowed, profile.issuer_expired, profile.name_invalid.
struct CertificateOrder {
  const Profile& profile;
  const IssuerIdentity& issuer;
  const CertificateSubject& subject;
  BytesView serial;
  UtcTime now;
  std::uint32_t crl_shard = 0;
};
Result<Bytes> build_tbs_certificate(const CertificateOrder& order);

}  // namespace muster::ca
