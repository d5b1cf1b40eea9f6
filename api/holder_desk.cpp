// SPDX-License-Identifier: Apache-2.0
#include "api/holder_desk.h"

#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "db/reasons.h"
#include "db/transaction.h"

namespace muster::api {
namespace {

// One would do where the database is near. With two, who comes during a slow answer does not wait for the whole of it.
constexpr std::size_t kGroupsAtOnce = 2;
constexpr std::size_t kLargestGroup = 100;
constexpr std::chrono::seconds kPatience{5};  // as for a connection of the pool

}  // namespace

HolderDesk::HolderDesk(db::ConnectionPool& pool, const Clock& clock)
    : pool_(pool),
      clock_(clock),
      calls_({kGroupsAtOnce, kLargestGroup, kPatience, Error{ErrorCode::kUnavailable, db::kDatabaseBusy, {}}}) {}

Result<HolderDesk::Answer> HolderDesk::find(Question question) {
  return calls_.call(std::move(question),
                     [this](const std::vector<Question>& questions) { return find_all(questions); });
}

Result<std::vector<Result<HolderDesk::Answer>>> HolderDesk::find_all(const std::vector<Question>& questions) const {
  using Answers = std::vector<Result<Answer>>;
  std::vector<Sha256> ids;
  for (const Question& question : questions) ids.push_back(question.certificate_id);
  return db::run_in_transaction(pool_, db::Scope::system().reading(), [&](db::Transaction& tx) -> Result<Answers> {
    const auto holders = registry::ask_certificate_holders(tx, ids, clock_.now());
    std::map<std::string, db::Later<std::optional<registry::Tenant>>> tenants;
    for (const Question& question : questions) {
      if (!question.tenant || tenants.contains(question.tenant->text())) continue;
      tenants.emplace(question.tenant->text(), registry::ask_tenant(tx, *question.tenant));
    }
    MUSTER_TRY(const auto found, holders.get());
    Answers answers;
    for (const Question& question : questions) {
      Answer answer;
      const auto holder = found.find(question.certificate_id);
      if (holder != found.end()) answer.holder = holder->second;
      if (question.tenant) {
        MUSTER_TRY(answer.tenant, tenants.at(question.tenant->text()).get());
      }
      answers.emplace_back(std::move(answer));
    }
    return answers;
  });
}

}  // namespace muster::api
