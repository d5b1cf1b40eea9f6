// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/metrics.h"
#include "core/result.h"
#include "http/server.h"

namespace muster::cli {

// MetricsPage serves GET /metrics and GET /healthz of one program, plain HTTP, for its own host.
// `listen` is "address:port"; only loopback addresses are taken: nothing asks who is there.
// Reasons: config.invalid, http.listen_failed.
Result<std::unique_ptr<http::Listener>> open_metrics_page(const std::string& listen, MetricsRegistry& metrics);

}  // namespace muster::cli
