// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "core/result.h"

namespace muster::ca {

// Pkcs11Config names a token. Its keys are made in it with CKA_SENSITIVE and without CKA_EXTRACTABLE, and never leave.
struct Pkcs11Config {
  std::string module;        // path of the PKCS#11 library, loaded at run time
  std::string token_label;   // CK_TOKEN_INFO.label without its padding
  std::string pin_file;      // the user PIN; read at each login, readable by its owner only; one line end may follow
  std::size_t sessions = 8;  // 1 to 256: so many signatures at once
};

// Checks what can be checked without the token. Reasons: file.* of the PIN file, token.config_invalid.
Result<void> check_config(const Pkcs11Config& config);

}  // namespace muster::ca
