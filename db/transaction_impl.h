// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what a Transaction holds. Internal to db/.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "db/connection.h"
#include "db/transaction.h"

namespace muster::db {

struct Transaction::Impl {
  Connection* connection;
  Scope scope;
  // Set by the first failed statement: PostgreSQL answers COMMIT with ROLLBACK then, so we must not even try.
  std::optional<Error> failure;
  std::vector<std::pair<std::string, std::function<Result<void>(Transaction&)>>> last_steps;
  std::map<std::string, std::shared_ptr<void>, std::less<>> attachments;

  Error doom(Error error) {
    if (!failure) failure = error;
    return error;
  }
};

}  // namespace muster::db
