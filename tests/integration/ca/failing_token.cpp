// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a PKCS#11 library for tests: passes every call on to SoftHSM, unless told to answer as a token does that is
// gone. Loaded by the code under test; the test reaches the functions at the end with dlsym.
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <atomic>

namespace {

CK_FUNCTION_LIST* real = nullptr;
CK_FUNCTION_LIST ours;
std::atomic<CK_RV> answer{CKR_OK};
std::atomic<unsigned> logins{0};
std::atomic<unsigned> searches{0};  // for slots

CK_RV get_slots(CK_BBOOL present, CK_SLOT_ID* slots, CK_ULONG* count) {
  ++searches;
  if (const CK_RV code = answer; code != CKR_OK) return code;
  return real->C_GetSlotList(present, slots, count);
}

CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void* application, CK_NOTIFY notify, CK_SESSION_HANDLE* session) {
  if (const CK_RV code = answer; code != CKR_OK) return code;
  return real->C_OpenSession(slot, flags, application, notify, session);
}

CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin, CK_ULONG size) {
  ++logins;
  return real->C_Login(session, user, pin, size);
}

CK_RV sign(CK_SESSION_HANDLE session, unsigned char* data, CK_ULONG size, unsigned char* signature, CK_ULONG* length) {
  if (const CK_RV code = answer; code != CKR_OK) return code;
  return real->C_Sign(session, data, size, signature, length);
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  if (real == nullptr) {
    void* library = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return CKR_GENERAL_ERROR;
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
    if (get == nullptr || get(&real) != CKR_OK) return CKR_GENERAL_ERROR;
    ours = *real;
    ours.C_GetSlotList = get_slots;
    ours.C_OpenSession = open_session;
    ours.C_Login = login;
    ours.C_Sign = sign;
  }
  *list = &ours;
  return CKR_OK;
}

__attribute__((visibility("default"))) void failing_token_answer(CK_RV code) { answer = code; }
__attribute__((visibility("default"))) unsigned failing_token_logins() { return logins; }
__attribute__((visibility("default"))) unsigned failing_token_searches() { return searches; }
}
