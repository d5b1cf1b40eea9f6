// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "core/id.h"
#include "core/metrics.h"
#include "edge/session_news.h"

namespace muster::auth_plugin {

// SessionNewsWriter tells the edge which sessions began, and what became of commands (edge/session_news.h), from a
// thread of its own: the broker's thread does no I/O. While the edge takes nothing, what waits is bounded by the
// connections that live; reports about commands are dropped then, and the command comes once more.
class SessionNewsWriter {
 public:
  static constexpr std::size_t kMaxReports = 10'000;

  // `folder` is made here and cleared of what an earlier start left: its sessions are over.
  SessionNewsWriter(std::string folder, IncarnationId incarnation, Counter& dropped);
  ~SessionNewsWriter();

  // On the broker's thread. None waits for I/O.
  void began(const TenantId& tenant, const DeviceId& device, const ConnectionId& connection, std::int64_t boottime);
  void ended(const ConnectionId& connection);  // if nobody was told that it began, nobody is
  void report(edge::SessionNewsKind kind, const TenantId& tenant, const DeviceId& device, const RawId& command);

 private:
  void run(std::stop_token stop);
  std::vector<edge::SessionNewsEntry> take();
  void put_back(std::vector<edge::SessionNewsEntry> entries);
  bool write(const std::vector<edge::SessionNewsEntry>& entries);

  const std::string folder_;
  const IncarnationId incarnation_;
  Counter& dropped_;
  std::uint64_t number_ = 0;  // confined to the thread
  std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::unordered_map<ConnectionId, edge::SessionNewsEntry> began_;  // guarded by mutex_
  std::deque<edge::SessionNewsEntry> reports_;                      // guarded by mutex_
  std::jthread thread_;
};

}  // namespace muster::auth_plugin
