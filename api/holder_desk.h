// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "core/clock.h"
#include "core/grouped_calls.h"
#include "core/identity.h"
#include "db/connection_pool.h"
#include "registry/certificate_holder.h"
#include "registry/tenant_store.h"

namespace muster::api {

// HolderDesk looks up whom client certificates stand for, with every request, and for all requests that ask at the same
// time in one transaction. Nothing is remembered: what was revoked before a request came is not accepted with it.
// Thread-safe.
class HolderDesk {
 public:
  struct Question {
    Sha256 certificate_id{};
    std::optional<TenantName> tenant;  // of the request's path
  };
  struct Answer {
    std::optional<registry::CertificateHolder> holder;
    std::optional<registry::Tenant> tenant;
  };
  HolderDesk(db::ConnectionPool& pool, const Clock& clock);

  // Reasons: database.*.
  Result<Answer> find(Question question);

 private:
  Result<std::vector<Result<Answer>>> find_all(const std::vector<Question>& questions) const;

  db::ConnectionPool& pool_;
  const Clock& clock_;
  GroupedCalls<Question, Answer> calls_;
};

}  // namespace muster::api
