// SPDX-License-Identifier: Apache-2.0
//
// Purpose: judges the chain that somebody else's CA gave for one of our CA keys, before it is stored: what is wrong
// with it must be said to whoever installs it, not found out by the first thousand devices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/record.h"
#include "core/result.h"
#include "core/time.h"

namespace muster::enroll {

inline constexpr std::size_t kMaxIssuerChain = 6;  // certificates, the issuer's own and the root included

struct ChainExpectation {
  Sha256 spki_sha256{};                // of the issuer's key
  std::uint32_t path_length = 0;       // CAs that must fit below the issuer
  std::vector<std::string> uri_hosts;  // hosts in the URIs of devices below it; each must be permitted
  UtcTime now{};
};

struct CheckedChain {
  Bytes certificate;         // of the issuer, DER
  std::vector<Bytes> chain;  // those above it, nearest first, root last
  UtcTime not_before{};
  UtcTime not_after{};  // of the issuer's certificate
};

// check_issuer_chain takes PEM: the issuer's certificate first, then each one's issuer, ending with a self-signed root.
// All are checked: signature by the next one's key (SHA-256 or better; the root's own signature proves nothing and may
// be of any kind), names chain, CA:TRUE, keyCertSign, path length, validity now, no critical extension unknown to us,
// extended key usage absent or with clientAuth, name constraints that permit the sample names. The issuer's own also
// needs cRLSign, a subject and a subject key identifier. Deviation from RFC 5280 §6: a constraint on the subject's
// directoryName is refused where devices' names would not obey it.
//
// Reasons: issuer.chain_malformed, issuer.chain_incomplete, issuer.key_mismatch, issuer.not_ca,
// issuer.key_usage_missing, issuer.extended_key_usage, issuer.path_length, issuer.name_constraints,
// issuer.not_valid_now, issuer.signature_algorithm, issuer.signature_invalid, issuer.critical_extension,
// issuer.subject_key_id_missing, issuer.subject_empty, issuer.key_unsupported. The detail names the certificate by its
// place, 1 for the first.
Result<CheckedChain> check_issuer_chain(std::string_view pem, const ChainExpectation& expected);

}  // namespace muster::enroll
