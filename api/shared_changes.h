// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/context.h"
#include "core/time.h"
#include "registry/change_store.h"

namespace muster::api {

// What follows a position, as edges read it.
struct LoadedChanges {
  registry::ChangePosition to;
  std::size_t count = 0;
  std::string lines;  // one a line, each with its newline
  UtcTime as_of{};    // when it was read: a heartbeat that goes with it says no later time
};

// SharedChanges reads once what many edges ask for at the same moment: after a change all of them stand at one position
// and wake together. An answer is shared only among those that saw the same generation of the ChangeWaiter, and for
// kShared at most, so that nobody depends on notifications coming. Thread-safe.
class SharedChanges {
 public:
  static constexpr std::chrono::milliseconds kShared{100};
  using Answer = Result<std::shared_ptr<const LoadedChanges>>;

  // `tenants` empty: all. `generation` was read before. Reasons: those of read_changes, database.*.
  Answer load(ApiContext& context, const std::vector<TenantId>& tenants, const registry::ChangePosition& since,
              std::uint64_t generation);

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Slot {
    std::mutex reading;  // one reads, the others wait for what it finds
    Answer answer = std::shared_ptr<const LoadedChanges>();
    std::uint64_t generation = 0;
    Time read_at{};
    bool filled = false;
  };
  std::shared_ptr<Slot> slot_of(const std::string& key, Time now);

  std::mutex mutex_;
  std::map<std::string, std::pair<Time, std::shared_ptr<Slot>>> slots_;  // guarded by mutex_; with their last use
};

}  // namespace muster::api
