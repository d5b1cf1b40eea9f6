// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "api/context.h"
#include "core/time.h"
#include "http/body.h"
#include "registry/change_store.h"
#include "registry/entity_loader.h"

namespace muster::api {

// walk_state goes through the whole state in one snapshot of the database; `begin` also where that is done again.
// `tenants` empty: all. Returns the position of the snapshot. Reasons: database.*, and those of the functions.
Result<registry::ChangePosition> walk_state(const ApiContext& context, const std::vector<TenantId>& tenants,
                                            const std::function<Result<void>()>& begin,
                                            const std::function<Result<void>(const registry::EntityFacts&)>& on_entity);

// The whole state at one position, as edges read it: all lines but the first, which is each edge's own.
struct StateLines {
  registry::ChangePosition position;
  UtcTime as_of{};  // a heartbeat that goes with it says no later time
  std::string_view lines;
  http::Body spool;  // what `lines` views: in a file, so it costs disk and no memory
};

// SharedSnapshots walks the state once for all edges of the same tenants that ask at the same time. An answer comes
// from a walk that began after it was asked for, never from one that was under way: nobody is told a state that is
// older than what he has heard of. So there are two walks at most for any number of requests, the one that runs and the
// one that the others wait for. What a walk found is kept until the last of them has been answered. Thread-safe.
class SharedSnapshots {
 public:
  explicit SharedSnapshots(MetricsRegistry& metrics);
  using Answer = Result<std::shared_ptr<const StateLines>>;

  // `tenants` empty: all. Reasons: database.*, internal (no room for the file).
  Answer take(const ApiContext& context, const std::vector<TenantId>& tenants);

 private:
  struct Slot {
    std::uint64_t begun = 0;  // walks
    std::uint64_t ended = 0;
    std::size_t waiting = 0;  // requests
    bool walking = false;
    Answer answer = std::shared_ptr<const StateLines>();  // of the last that ended
  };
  void walk(const ApiContext& context, const std::vector<TenantId>& tenants, Slot& slot,
            std::unique_lock<std::mutex>& lock);

  Counter& walks_;
  Gauge& waiting_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t requests_ = 0;                     // guarded by mutex_; of all slots
  std::map<std::vector<TenantId>, Slot> slots_;  // guarded by mutex_; one for tenants that somebody waits for
};

}  // namespace muster::api
