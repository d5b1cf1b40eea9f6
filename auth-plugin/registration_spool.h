// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/metrics.h"
#include "core/record.h"
#include "edge/registration_report.h"

namespace muster::auth_plugin {

// RegistrationSpool writes reports of devices that are not registered to files, for the edge (edge/
// registration_report.h), in a thread of its own: the broker's thread does no I/O. All bounds drop the report, since
// the device tries again by itself.
class RegistrationSpool {
 public:
  static constexpr std::size_t kMaxQueued = 64;
  static constexpr std::size_t kMaxRecent = 1024;
  static constexpr std::chrono::seconds kQuiet{5};  // between two reports of one certificate

  // `folder` is made when the first report is written. Counters must outlive the object.
  RegistrationSpool(std::string folder, Counter& written, Counter& dropped);
  ~RegistrationSpool();

  // On the broker's thread. Takes no lock that the writing thread holds while it writes.
  void offer(edge::RegistrationReport report);

 private:
  using Time = std::chrono::steady_clock::time_point;
  void run(std::stop_token stop);
  bool write(const edge::RegistrationReport& report) const;

  const std::string folder_;
  Counter& written_;
  Counter& dropped_;
  std::map<Sha256, Time> recent_;  // confined to the broker's thread
  std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::deque<edge::RegistrationReport> queue_;  // guarded by mutex_
  std::jthread thread_;
};

}  // namespace muster::auth_plugin
