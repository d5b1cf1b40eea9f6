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
#include "db/reasons.h"
#include "db/transaction.h"

namespace muster::db {

struct Transaction::Impl {
  Connection* connection;
  Scope scope;
  bool reads;  // nothing is changed, so that nobody has to wait for COMMIT's answer
  // Set by the first failed statement: PostgreSQL answers COMMIT with ROLLBACK then, so we must not even try.
  std::optional<Error> failure;
  std::string violated_constraint;
  std::vector<std::pair<std::string, std::function<Result<void>(Transaction&)>>> last_steps;
  std::map<std::string, std::shared_ptr<void>, std::less<>> attachments;

  Error doom(Error error) {
    if (!failure) failure = error;
    return error;
  }
};

// of_sent is the Error of a statement whose answer was not waited for (db::send): the caller it reaches asked something
// else, and must not take it for a refusal of that.
inline Error of_sent(Error error) {
  const bool is_refusal = error.code == ErrorCode::kConflict || error.code == ErrorCode::kInvalidArgument ||
                          error.code == ErrorCode::kPermissionDenied;
  return is_refusal ? Error{ErrorCode::kInternal, kDatabaseFailed, std::move(error.detail)} : error;
}

}  // namespace muster::db
