// SPDX-License-Identifier: Apache-2.0
//
// Purpose: brings the server's orders for sessions (POST /v1/edge/orders, a long poll) to the brokers of this host
// (edge/session_orders.h). The server repeats an order until it hears that we have it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <stop_token>
#include <string>
#include <vector>

#include "core/log.h"
#include "core/metrics.h"
#include "edge/session_orders.h"
#include "http/client.h"

namespace muster::edge {

// Writes numbered files and removes them after a minute. Confined to one thread.
class OrdersFolder {
 public:
  OrdersFolder(std::string folder, mode_t file_mode) : folder_(std::move(folder)), file_mode_(file_mode) {}
  // Makes the folder, removes what an earlier start left, and writes an empty file, from which brokers learn that they
  // may have missed something. Reason: file.write_failed.
  Result<void> open();
  // Reason: file.write_failed; then nothing was written.
  Result<void> write(std::vector<SessionOrder> orders);

 private:
  using Time = std::chrono::steady_clock::time_point;
  void remove_old();
  const std::string folder_;
  const mode_t file_mode_;
  const RawId epoch_ = random_raw_id();
  std::uint64_t next_ = 0;
  std::deque<std::pair<std::uint64_t, Time>> written_;
};

// Confined to the thread of run().
class OrderCourier {
 public:
  OrderCourier(OrdersFolder folder, http::Client client, MetricsRegistry& metrics);
  void run(std::stop_token stop);

 private:
  // One poll. Reason: edge.server_failed, edge.stream_malformed, those of Client::send and OrdersFolder.
  Result<void> step();

  OrdersFolder folder_;
  http::Client client_;
  const Log log_{"edge.orders"};
  bool opened_ = false;
  std::vector<std::string> done_;  // ids that the server may forget
  Counter& cuts_;
  Counter& commands_;
  Counter& failures_;
};

}  // namespace muster::edge
