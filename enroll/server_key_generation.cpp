// SPDX-License-Identifier: Apache-2.0
#include "enroll/server_key_generation.h"

#include "ca/device_key_pair.h"
#include "db/transaction.h"
#include "enroll/authorisation.h"
#include "enroll/authority_context.h"
#include "enroll/reasons.h"
#include "registry/est_settings_store.h"

namespace muster::enroll {

Result<KeyAndCertificate> generate_key_and_enroll(RegistrationAuthority& authority, const Caller& caller,
                                                  EnrollRequest request) {
  MUSTER_TRY_VOID(require_enroller(caller, request.tenant));
  MUSTER_TRY(const auto settings, db::run_in_transaction(authority.context().pool, db::Scope::of_tenant(request.tenant),
                                                         [&](db::Transaction& tx) {
                                                           return registry::get_est_settings(tx, request.tenant);
                                                         }));
  if (!settings.serverkeygen) return Error{ErrorCode::kPermissionDenied, reasons::kServerKeyGenerationOff, {}};
  MUSTER_TRY(ca::DeviceKeyPair pair, ca::make_device_key_pair());
  request.csr = as_text(pair.request);
  MUSTER_TRY(auto issued, authority.enroll(caller, request));
  return KeyAndCertificate{std::move(pair.pkcs8), std::move(issued)};
}

}  // namespace muster::enroll
