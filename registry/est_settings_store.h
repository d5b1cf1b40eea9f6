// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what a tenant allows over EST (RFC 7030). Without a row: everything off. Scope: the tenant's; reading: also
// system.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/id.h"
#include "db/transaction.h"

namespace muster::registry {

inline constexpr std::int64_t kMaxReenrollAfterExpiry = 366 * 86'400;  // seconds
inline constexpr std::size_t kMaxEstLabels = 16;

// EstLabel is a second path segment: /.well-known/est/{tenant}/{label}/… .
struct EstLabel {
  std::string name;                // [a-z0-9][a-z0-9-]{0,30}
  bool unwrapped = false;          // base64 in one line, for clients that cannot read line breaks
  std::string profile = "device";  // that tokens and certificates enrol under there
};

struct EstSettings {
  std::int64_t reenroll_after_expiry_seconds = 0;  // simplereenroll by a certificate that expired at most so long ago
  bool serverkeygen = false;
  bool unwrapped = false;  // where the path has no label
  std::vector<EstLabel> labels;
};

Result<EstSettings> get_est_settings(db::Transaction& tx, const TenantId& tenant);
Result<void> put_est_settings(db::Transaction& tx, const TenantId& tenant, const EstSettings& settings);

}  // namespace muster::registry
