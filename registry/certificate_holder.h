// SPDX-License-Identifier: Apache-2.0
//
// Purpose: whom client certificates stand for, asked with every request that a device makes.
#pragma once

#include <map>
#include <span>
#include <string>

#include "core/id.h"
#include "core/record.h"
#include "core/result.h"
#include "core/time.h"
#include "db/later.h"
#include "db/transaction.h"

namespace muster::registry {

struct CertificateHolder {
  TenantId tenant_id;
  std::string tenant_name;
  bool tenant_is_active = false;
  DeviceId device_id;
  std::string device_name;
  bool device_is_active = false;
  bool certificate_is_active = false;  // neither revoked nor past its notAfter at `now`
};

// By the SHA-256 of the DER, whatever the tenant is; not there: no such certificate was issued. Scope: system.
db::Later<std::map<Sha256, CertificateHolder>> ask_certificate_holders(db::Transaction& tx,
                                                                       std::span<const Sha256> certificate_ids,
                                                                       UtcTime now);

}  // namespace muster::registry
