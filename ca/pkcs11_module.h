// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a PKCS#11 library, loaded at run time. Private to ca/: nobody else includes Cryptoki's header.
#pragma once

#include <p11-kit/pkcs11.h>

#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>

#include "core/result.h"

namespace muster::ca {

// Pkcs11Module is one initialised library. Within a process there is one per path, whoever asks: C_Finalize by one user
// would end the sessions of all. Thread-safe.
class Pkcs11Module {
 public:
  // Reason: signer.token_unavailable (no such file, not a PKCS#11 library, C_Initialize refused).
  static Result<std::shared_ptr<Pkcs11Module>> open(const std::string& path);
  ~Pkcs11Module();
  Pkcs11Module(const Pkcs11Module&) = delete;
  Pkcs11Module& operator=(const Pkcs11Module&) = delete;

  // Use keeps the library initialised while it lives. Short: restart waits for all of them.
  class Use {
   public:
    const CK_FUNCTION_LIST& functions() const { return *functions_; }
    // Sessions and objects of another generation do not exist any more, even where their numbers do.
    std::uint64_t generation() const { return generation_; }

   private:
    friend class Pkcs11Module;
    std::shared_lock<std::shared_timed_mutex> lock_;
    CK_FUNCTION_LIST* functions_ = nullptr;
    std::uint64_t generation_ = 0;
  };
  Use use();

  // Finalises and initialises the library, unless somebody has since `seen`: several look for tokens only then.
  // Reason: signer.token_unavailable (refused, or uses did not end within two seconds).
  Result<void> restart(std::uint64_t seen);

 private:
  explicit Pkcs11Module(CK_FUNCTION_LIST* functions) : functions_(functions) {}

  CK_FUNCTION_LIST* const functions_;
  std::shared_timed_mutex mutex_;
  std::uint64_t generation_ = 1;  // guarded by mutex_
};

// "C_Sign: CKR 0x30", for operators' logs.
std::string describe_pkcs11_error(const char* function, CK_RV code);

}  // namespace muster::ca
