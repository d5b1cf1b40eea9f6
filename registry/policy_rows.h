// SPDX-License-Identifier: Apache-2.0
//
// Purpose: how a policy document's rules and limits are read from its row. Internal to registry/; only for *_store.cpp.
#pragma once

#include <string>
#include <vector>

#include "core/limits.h"
#include "core/policy_document.h"
#include "db/statement.h"

namespace muster::registry {

struct PolicyBody {
  std::vector<PolicyRule> rules;
  Limits limits;
};

// The columns of policies AS p that read_policy_body reads. A function: other files' statements are made before main.
inline std::string policy_body_columns() {
  return "p.rule_actions, p.rule_filters, p.rule_max_qos::text[], p.rule_max_payload::text[], p.limits";
}

// `column` is that of the first of them. A row that holds what this code does not know gives no rule: nothing is
// allowed by what is not understood.
PolicyBody read_policy_body(const db::Row& row, int column);

}  // namespace muster::registry
