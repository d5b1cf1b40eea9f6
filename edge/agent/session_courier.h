// SPDX-License-Identifier: Apache-2.0
//
// Purpose: takes what the brokers of this host say of sessions (edge/session_news.h) to POST /v1/edge/sessions. A file
// goes when the server has it; while the server is away files stay, and the ages of sessions grow with them, so that a
// claim that comes late never passes for a new session.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

#include "core/log.h"
#include "core/metrics.h"
#include "core/unique_fd.h"
#include "edge/session_news.h"
#include "http/client.h"

namespace muster::edge {

// Confined to the thread of run().
class SessionCourier {
 public:
  // `folders`: one for each broker; they need not exist yet.
  SessionCourier(std::vector<std::string> folders, http::Client client, MetricsRegistry& metrics);
  void run(std::stop_token stop);
  // Takes what is there, a request for up to kMaxNewsEntries entries. False: the server did not take it.
  bool step();

 private:
  struct Load {
    std::vector<std::string> paths;
    std::vector<std::pair<IncarnationId, SessionNewsEntry>> entries;
  };
  Load collect();
  bool deliver(const Load& load);
  void watch() const;
  void wait_for_news(std::stop_token stop) const;

  const std::vector<std::string> folders_;
  http::Client client_;
  UniqueFd inotify_;
  const Log log_{"edge.sessions"};
  Counter& told_;
  Counter& failures_;
};

}  // namespace muster::edge
