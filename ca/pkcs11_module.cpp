// SPDX-License-Identifier: Apache-2.0
#include "ca/pkcs11_module.h"

#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>

#include "ca/reasons.h"

namespace muster::ca {

namespace {

constexpr std::chrono::seconds kRestartPatience{2};

Error unavailable(std::string detail) {
  return {ErrorCode::kUnavailable, reasons::kSignerTokenUnavailable, std::move(detail)};
}

CK_RV initialise(const CK_FUNCTION_LIST& functions) {
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  const CK_RV code = functions.C_Initialize(&arguments);
  return code == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : code;
}

// The library stays mapped for ever: several leave threads and exit handlers behind.
Result<CK_FUNCTION_LIST*> load(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return unavailable(dlerror());
  const auto get_list = reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList"));
  CK_FUNCTION_LIST* functions = nullptr;
  if (get_list == nullptr || get_list(&functions) != CKR_OK || functions == nullptr) {
    return unavailable(path + " is not a PKCS#11 library");
  }
  return functions;
}

}  // namespace

std::string describe_pkcs11_error(const char* function, CK_RV code) {
  char text[96];
  std::snprintf(text, sizeof text, "%s: CKR 0x%lX", function, static_cast<unsigned long>(code));
  return text;
}

Result<std::shared_ptr<Pkcs11Module>> Pkcs11Module::open(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<Pkcs11Module>> opened;
  const std::lock_guard lock{mutex};
  if (auto module = opened[path].lock()) return module;
  MUSTER_TRY(CK_FUNCTION_LIST * functions, load(path));
  const CK_RV code = initialise(*functions);
  if (code != CKR_OK) return unavailable(describe_pkcs11_error("C_Initialize", code));
  std::shared_ptr<Pkcs11Module> module{new Pkcs11Module(functions)};
  opened[path] = module;
  return module;
}

Pkcs11Module::~Pkcs11Module() { functions_->C_Finalize(nullptr); }

Pkcs11Module::Use Pkcs11Module::use() {
  Use use;
  use.lock_ = std::shared_lock{mutex_};
  use.functions_ = functions_;
  use.generation_ = generation_;
  return use;
}

Result<void> Pkcs11Module::restart(std::uint64_t seen) {
  const std::unique_lock lock{mutex_, kRestartPatience};
  if (!lock.owns_lock()) return unavailable("calls into the library do not return");
  if (generation_ != seen) return {};
  // Whatever C_Finalize says: a library that somebody else has finalised is to be initialised as well.
  functions_->C_Finalize(nullptr);
  ++generation_;
  const CK_RV code = initialise(*functions_);
  if (code != CKR_OK) return unavailable(describe_pkcs11_error("C_Initialize", code));
  return {};
}

}  // namespace muster::ca
