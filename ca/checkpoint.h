// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what the issuance log says about itself: checkpoints (C2SP tlog-checkpoint) as signed notes (C2SP
// signed-note) with one Ed25519 signature whose key name is the origin; and the blinded entries.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "ca/merkle_tree.h"
#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/result.h"

namespace muster::ca {

// The text that is signed: origin, size, root; each a line.
std::string checkpoint_text(std::string_view origin, const TreeHead& head);
// The note: the text, an empty line, and "— origin base64(key id | signature)". `signature` of 64 octets.
std::string signed_checkpoint(std::string_view origin, const TreeHead& head, BytesView public_key, BytesView signature);
// "origin+hex(key id)+base64(0x01 | public key)", the form in which such keys are handed out.
std::string verifier_key(std::string_view origin, BytesView public_key);

struct VerifierKey {
  std::string origin;
  Bytes public_key;  // Ed25519, 32 octets
};
// Reason: transparency.key_invalid.
Result<VerifierKey> parse_verifier_key(std::string_view text);
// Checks the signature and the origin. Reason: transparency.checkpoint_invalid.
Result<TreeHead> open_checkpoint(const VerifierKey& key, std::string_view note);

// What an entry commits to.
struct LoggedCertificate {
  TenantId tenant;
  IssuerId issuer;
  Sha256 id{};  // of the certificate
};
// HMAC-SHA256(blinding, tenant | issuer | certificate id): who does not know the blinding learns nothing of them, not
// even whether it is one he guesses.
Sha256 log_entry(const Sha256& blinding, const LoggedCertificate& certificate);
// The blinding of one entry of a group whose random secret is `seed`: HMAC-SHA256(seed, index as u64). One opening says
// nothing of another.
Sha256 log_blinding(const Sha256& seed, std::uint64_t index);

}  // namespace muster::ca
