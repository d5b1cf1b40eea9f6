// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "auth-plugin/identity_state.h"
#include "core/unique_fd.h"
#include "edge/identity_view.h"

namespace muster::auth_plugin {

// IdentityWatcher follows the snapshot folder in a thread of its own (all signals blocked; it calls nothing of the
// broker, which is not thread-safe). A new state is published, then the broker's thread is woken by SIGURG again and
// again until it has re-checked the sessions concerned: a signal that lands just before epoll_wait is lost.
class IdentityWatcher {
 public:
  struct Config {
    edge::SnapshotFolderConfig folder;
    pthread_t broker_thread{};
  };
  // Loads the first snapshot, if there is one, before it returns.
  // Reasons: config.folder_invalid, internal.
  static Result<std::unique_ptr<IdentityWatcher>> start(Config config, IdentityExchange& exchange);
  ~IdentityWatcher();

  // Reason of the last failed refresh, "" after a good one. A string of static storage.
  std::string_view last_failure() const;
  std::string last_failure_detail() const;                   // for people; of the last failed refresh
  std::uint64_t refusals() const { return refusals_; }       // times that what was there could not be used
  std::int64_t age_seconds() const { return age_seconds_; }  // -1: not known
  std::uint64_t snapshot_number() const { return snapshot_number_; }

 private:
  IdentityWatcher(Config config, IdentityExchange& exchange, std::unique_ptr<edge::SnapshotFolder> folder,
                  UniqueFd stop);
  void run(std::stop_token stop);
  void refresh();
  void set_failure(const Error& error);
  void publish(edge::ViewUpdate update);
  void update_freshness();

  const Config config_;
  IdentityExchange& exchange_;
  std::unique_ptr<edge::SnapshotFolder> folder_;  // confined to the thread
  UniqueFd stop_event_;
  std::uint64_t generation_ = 0;                                 // confined to the thread
  std::shared_ptr<const AnchorIndex> anchors_;                   // confined to the thread
  std::shared_ptr<const ExternalIndex> external_;                // confined to the thread
  std::vector<std::shared_ptr<const IdentityState>> published_;  // confined to the thread; freed here, see current()
  std::atomic<const std::string_view*> failure_{nullptr};
  std::vector<std::unique_ptr<std::string_view>> failures_;  // what failure_ points at; confined to the thread
  mutable std::mutex mutex_;
  std::string failure_detail_;  // guarded by mutex_
  std::atomic<std::uint64_t> refusals_{0};
  std::atomic<std::int64_t> age_seconds_{-1};
  std::atomic<std::uint64_t> snapshot_number_{0};
  std::jthread thread_;
};

}  // namespace muster::auth_plugin
