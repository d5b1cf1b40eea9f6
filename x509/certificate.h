// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a parsed X.509 v3 certificate. The parser is ours (x509/der_reader.h): strict DER, one object, no trailing
// octets, limits before anything else. It reads; it does not judge: x509/chain_verifier.h does.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/record.h"
#include "core/result.h"
#include "core/time.h"

namespace muster::x509 {

inline constexpr std::size_t kMaxCertificateSize = 16 * 1024;  // octets of DER
inline constexpr std::size_t kMaxCertificateExtensions = 32;
inline constexpr std::size_t kMaxGeneralNames = 64;

// Bits of KeyUsage by their number in RFC 5280 §4.2.1.3.
enum class KeyUsageBit : std::uint8_t {
  kDigitalSignature = 0,
  kContentCommitment = 1,
  kKeyEncipherment = 2,
  kDataEncipherment = 3,
  kKeyAgreement = 4,
  kKeyCertSign = 5,
  kCrlSign = 6,
  kEncipherOnly = 7,
  kDecipherOnly = 8,
};

struct GeneralName {
  std::uint8_t tag = 0;  // context tag number: 1 rfc822Name, 2 dNSName, 4 directoryName, 6 URI, 7 iPAddress
  std::string value;     // contents octets
  friend bool operator==(const GeneralName&, const GeneralName&) = default;
};

struct NameConstraints {
  std::vector<GeneralName> permitted;
  std::vector<GeneralName> excluded;
  bool critical = false;
};

enum class ExtendedKeyUsage : std::uint8_t { kServerAuth, kClientAuth, kAny, kOcspSigning, kOther };

// Certificate is a value; its views point into its own DER. Immutable, thread-safe, cheap to copy.
class Certificate {
 public:
  // Reasons: certificate.too_large, certificate.malformed, certificate.version_unsupported,
  // certificate.serial_invalid, certificate.time_invalid, certificate.too_many_extensions,
  // certificate.extension_duplicate, certificate.algorithm_mismatch, certificate.san_invalid (NUL or non-ASCII octets).
  static Result<Certificate> parse_der(BytesView der);
  // One "CERTIFICATE" block and nothing but white space around it. Also certificate.pem_invalid.
  static Result<Certificate> parse_pem(std::string_view pem);
  // One to `max_count` blocks. Also certificate.pem_invalid (also for more than that).
  static Result<std::vector<Certificate>> parse_pem_list(std::string_view pem, std::size_t max_count);

  BytesView der() const { return state_->der; }
  std::string pem() const;
  const Sha256& id() const { return state_->id; }  // SHA-256 of the DER
  std::string id_hex() const;
  const Sha256& spki_sha256() const { return state_->spki_sha256; }
  BytesView spki() const { return state_->spki; }  // SubjectPublicKeyInfo, DER
  BytesView tbs() const { return state_->tbs; }
  BytesView signature() const { return state_->signature; }
  BytesView signature_algorithm() const { return state_->signature_algorithm; }  // AlgorithmIdentifier, DER
  BytesView issuer() const { return state_->issuer; }                            // Name, DER
  BytesView subject() const { return state_->subject; }                          // Name, DER
  const std::string& serial_hex() const { return state_->serial_hex; }           // lower-case, no sign octet
  UtcTime not_before() const { return state_->not_before; }
  UtcTime not_after() const { return state_->not_after; }  // inclusive [RFC5280 4.1.2.5]

  bool is_ca() const { return state_->is_ca; }
  std::optional<std::uint32_t> path_length() const { return state_->path_length; }
  bool has_key_usage() const { return state_->key_usage.has_value(); }
  bool allows(KeyUsageBit bit) const;  // false where there is no keyUsage extension
  bool has_extended_key_usage() const { return state_->has_extended_key_usage; }
  bool allows(ExtendedKeyUsage usage) const;  // literally listed; anyExtendedKeyUsage does not stand for another
  const std::vector<GeneralName>& subject_alt_names() const { return state_->subject_alt_names; }
  // The value of the one URI SAN where the SAN extension holds exactly one name and that is a URI; else nullopt.
  std::optional<std::string_view> only_uri_san() const;
  const std::optional<NameConstraints>& name_constraints() const { return state_->name_constraints; }
  BytesView subject_key_id() const { return state_->subject_key_id; }      // empty: none
  BytesView authority_key_id() const { return state_->authority_key_id; }  // keyIdentifier only; empty: none
  // Dotted OIDs of critical extensions that this parser does not know [RFC5280 4.2].
  const std::vector<std::string>& unknown_critical_extensions() const { return state_->unknown_critical; }
  bool is_self_issued() const;

 private:
  friend class CertificateParser;
  struct State {
    Bytes der;
    Sha256 id{};
    Sha256 spki_sha256{};
    BytesView tbs, signature, signature_algorithm, issuer, subject, spki, subject_key_id, authority_key_id;  // in der
    std::string serial_hex;
    UtcTime not_before{};
    UtcTime not_after{};
    bool is_ca = false;
    std::optional<std::uint32_t> path_length;
    std::optional<std::uint16_t> key_usage;  // bit n of RFC 5280 is bit n here
    bool has_extended_key_usage = false;
    std::vector<ExtendedKeyUsage> extended_key_usages;
    std::vector<GeneralName> subject_alt_names;
    std::optional<NameConstraints> name_constraints;
    std::vector<std::string> unknown_critical;
  };
  explicit Certificate(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace muster::x509
