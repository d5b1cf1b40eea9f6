// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what the platform's administrators do with the CAs' private keys as a whole: see where they lie, and bring
// them under another key-encryption key while the server works.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/id.h"
#include "core/result.h"
#include "enroll/registration_authority.h"

namespace muster::enroll {

inline constexpr std::size_t kMaxRewrapsPerCall = 1000;

struct KeyEncryptionKeyUse {
  std::string id;  // lower-case hexadecimal
  bool primary = false;
  bool loaded = false;  // it stands in the server's file: false with keys > 0 means CAs that cannot be loaded
  std::int64_t keys = 0;
};

struct UnusedTokenKey {
  std::string id;   // CKA_ID, lower-case hexadecimal
  TenantId tenant;  // nil: the platform
  IssuerId issuer;  // that was to be
};

struct KeyUse {
  std::vector<KeyEncryptionKeyUse> key_encryption_keys;  // those of the file in its order, then those only in use
  std::int64_t token_keys = 0;                           // in a PKCS#11 token
  // In the token and named by no row: a crash came between making the key and storing its issuer.
  std::vector<UnusedTokenKey> unused_token_keys;
  std::string token_failure;  // why the token could not be looked into; "": it could, or there is none
};

struct RewrapProgress {
  struct Failure {
    IssuerId issuer;
    std::string reason;
  };
  std::string primary;         // under which they are now
  std::int64_t rewrapped = 0;  // by this call
  std::int64_t remaining = 0;  // under other keys, failures among them
  std::vector<Failure> failures;
  KeyId next;  // where the next call goes on; nil: at the end
};

// KeyCustody is made on the spot; the authority must outlive it.
class KeyCustody {
 public:
  explicit KeyCustody(RegistrationAuthority& authority) : context_(authority.context()) {}

  // Reads the file of key-encryption keys again first. Reasons: enroll.caller_forbidden, file.*, kek.invalid.
  Result<KeyUse> use(const Caller& caller);

  // Reads the file again, then wraps at most `limit` (1 to kMaxRewrapsPerCall) keys after `after` by its first key, a
  // few in each transaction; those of heartbeats and of the transparency log come before them. Whatever ends this in
  // the middle leaves each key under the old one or the new one, and both open. A key that does not open is left as it
  // is and named. Reasons: those of use().
  Result<RewrapProgress> rewrap(const Caller& caller, const KeyId& after, std::size_t limit);

  // Destroys a key of the token that no row names. One that an issuer of this process has just been given counts as
  // named; of another server's that is made in this moment nobody knows yet: look twice, a minute apart. Reasons:
  // enroll.caller_forbidden, key.not_found, key.in_use, signer.*.
  Result<void> remove_unused(const Caller& caller, const std::string& id);

  // For the checks of the deployment, whose caller was authorised there. Reasons: signer.*, database.*.
  Result<std::vector<UnusedTokenKey>> unused_keys();

 private:
  AuthorityContext& context_;
};

}  // namespace muster::enroll
