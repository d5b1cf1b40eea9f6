// SPDX-License-Identifier: Apache-2.0
//
// Purpose: look-ups that travel together. A store's ask_… function returns a Later; all that was asked before the first
// get() goes to PostgreSQL in one round trip.
#pragma once

#include <functional>
#include <utility>

#include "core/result.h"

namespace muster::db {

// Later is what a store makes of rows that it asked for. Lives no longer than its transaction.
template <typename T>
class Later {
 public:
  explicit Later(std::function<Result<T>()> get) : get_(std::move(get)) {}
  // May be called again. Reasons: those of run_in_transaction and of the store's function.
  Result<T> get() const { return get_(); }

 private:
  std::function<Result<T>()> get_;
};

}  // namespace muster::db
