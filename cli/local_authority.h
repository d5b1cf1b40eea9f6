// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the registration authority of a server's configuration, opened in this process: for the server itself and
// for commands that must run beside it on its host, with its key-encryption key and its database.
#pragma once

#include <memory>
#include <string>

#include "core/clock.h"
#include "core/metrics.h"
#include "core/result.h"
#include "db/connection_pool.h"
#include "enroll/registration_authority.h"

namespace muster::cli {

struct LocalAuthority {
  SystemClock clock;
  MetricsRegistry metrics;
  std::unique_ptr<db::ConnectionPool> pool;
  std::unique_ptr<enroll::RegistrationAuthority> authority;  // not initialised yet
};

// `config_file`: docs/config/server.toml. Reasons: config.*, kek.*, database.*.
Result<std::unique_ptr<LocalAuthority>> open_local_authority(const std::string& config_file);

}  // namespace muster::cli
