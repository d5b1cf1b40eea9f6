// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the program `muster edge`: keeps the identity snapshot current, ships the WAL into the log, reports events
// and serves metrics on loopback. It cannot sign and knows no database but the log's.
#pragma once

#include <stop_token>

#include "edge/agent/edge_config.h"

namespace muster::edge {

// Runs until `stop` is requested and then ends its threads in order. Neither server nor database need be there: both
// are tried again and again. Reasons: config.edge_invalid, config.folder_invalid, snapshot.permissions, those of
// http::Client::create, http::Listener::create and ingest::PostgresLog::create.
Result<void> run_edge(const EdgeConfig& config, std::stop_token stop);

}  // namespace muster::edge
