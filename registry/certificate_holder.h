// SPDX-License-Identifier: Apache-2.0
//
// Purpose: whom a client certificate stands for, asked by one statement with every request that a device makes.
#pragma once

#include <optional>
#include <string>

#include "core/id.h"
#include "core/record.h"
#include "core/result.h"
#include "core/time.h"
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

// By the SHA-256 of the DER, whatever the tenant is; empty: no such certificate was issued. Scope: system.
Result<std::optional<CertificateHolder>> find_certificate_holder(db::Transaction& tx, const Sha256& certificate_id,
                                                                 UtcTime now);

}  // namespace muster::registry
