// SPDX-License-Identifier: Apache-2.0
//
// A batch is a resource: its lines are spooled before the first is worked on, its results are stored group by group,
// with the certificates, and streamed as they come. A client that loses the connection fetches them again; the work
// goes on without it.
//
// A few groups are under way at once: while the database works on one, the requests of the next are verified.
#include <algorithm>
#include <deque>
#include <future>
#include <map>
#include <set>

#include "api/batch_line.h"
#include "api/routes.h"
#include "core/log.h"
#include "enroll/batch_enrolment.h"
#include "enroll/transparency_reader.h"
#include "registry/batch_store.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

constexpr std::size_t kMaxBatchBytes = 40u << 20;
constexpr std::size_t kGroupLines = 200;
constexpr std::size_t kGroupsAtOnce = 6;
constexpr std::size_t kResultsAtOnce = 500;
constexpr std::string_view kContentType = "application/x-ndjson";

// What outlives the request's handler while the answer streams.
struct BatchRun {
  ApiContext& context;
  enroll::Caller caller;
  TenantId tenant;
  BatchId id;
  std::vector<BatchLine> lines;  // views of the request's body, which lives until the answer is sent
};

std::vector<BatchItem> parse_group(const BatchRun& run, std::span<const BatchLine> lines) {
  std::vector<BatchItem> items;
  items.reserve(lines.size());
  for (const BatchLine& line : lines) items.push_back(parse_batch_line(run.tenant, line));
  return items;
}

using Answers = std::vector<std::string>;  // one for each line, in order

// Issues for a group. Its results are stored with its certificates; those of refused lines afterwards.
Result<Answers> run_group(const BatchRun& run, std::vector<BatchItem> items) {
  std::vector<enroll::EnrollRequest> requests;
  std::vector<std::uint64_t> lines;  // of the requests
  for (BatchItem& item : items) {
    if (!item.request) continue;
    requests.push_back(std::move(*item.request));
    lines.push_back(item.line);
  }
  const auto store_results = [&](db::Transaction& tx, std::span<const enroll::StoredCertificate> stored) {
    std::vector<registry::BatchCertificate> results;
    for (const auto& certificate : stored) results.push_back({lines[certificate.request], certificate.id});
    return registry::append_batch_certificates(tx, run.tenant, run.id, results);
  };
  const auto issued = enroll::BatchEnrolment{run.context.authority}.run(run.caller, requests, store_results);
  Answers answers;
  std::vector<registry::BatchResult> refused;
  std::size_t next = 0;
  for (const BatchItem& item : items) {
    const Result<enroll::IssuedCertificate>* outcome = item.request ? &issued.at(next++) : nullptr;
    if (outcome && outcome->ok()) {
      answers.push_back(success_line(item.line, item.device, **outcome));
      continue;
    }
    answers.push_back(failure_line(item, outcome ? outcome->error() : item.error));
    refused.push_back({item.line, answers.back()});
  }
  if (refused.empty()) return answers;
  MUSTER_TRY_VOID(db::run_in_transaction(run.context.pool, db::Scope::of_tenant(run.tenant), [&](db::Transaction& tx) {
    return registry::append_batch_results(tx, run.tenant, run.id, refused);
  }));
  return answers;
}

// GroupsUnderWay runs groups on threads of their own and gives their results in the order of the lines. Its end waits
// for all of them.
class GroupsUnderWay {
 public:
  explicit GroupsUnderWay(const BatchRun& run) : run_(run) {}

  bool empty() const { return groups_.empty(); }
  // Whether `items` must wait: there are enough under way, or an earlier line for one of its devices is, which comes
  // first.
  bool must_wait(const std::vector<BatchItem>& items) const {
    const auto earlier = [&](const Group& group) {
      return std::ranges::any_of(
          items, [&](const BatchItem& item) { return item.request && group.devices.contains(item.device); });
    };
    return groups_.size() >= kGroupsAtOnce || std::ranges::any_of(groups_, earlier);
  }
  void start(std::vector<BatchItem> items) {
    std::set<std::string> devices;
    for (const BatchItem& item : items) {
      if (item.request) devices.insert(item.device);
    }
    groups_.push_back(
        {std::move(devices), std::async(std::launch::async, run_group, std::cref(run_), std::move(items))});
  }
  Result<Answers> take_first() {
    auto answers = groups_.front().answers.get();
    groups_.pop_front();
    return answers;
  }

 private:
  struct Group {
    std::set<std::string> devices;
    std::future<Result<Answers>> answers;
  };
  const BatchRun& run_;
  std::deque<Group> groups_;
};

Result<void> run_batch(const BatchRun& run, http::BodyWriter& writer) {
  bool listening = true;
  GroupsUnderWay under_way{run};
  const auto pass_on_first = [&]() -> Result<void> {
    MUSTER_TRY(const Answers answers, under_way.take_first());
    for (const std::string& answer : answers) listening = listening && writer.write(answer + "\n");
    return {};
  };
  for (std::size_t first = 0; first < run.lines.size(); first += kGroupLines) {
    const auto lines = std::span{run.lines}.subspan(first, std::min(kGroupLines, run.lines.size() - first));
    std::vector<BatchItem> items = parse_group(run, lines);
    while (!under_way.empty() && under_way.must_wait(items)) MUSTER_TRY_VOID(pass_on_first());
    under_way.start(std::move(items));
  }
  while (!under_way.empty()) MUSTER_TRY_VOID(pass_on_first());
  MUSTER_TRY_VOID(db::run_in_transaction(run.context.pool, db::Scope::of_tenant(run.tenant), [&](db::Transaction& tx) {
    return registry::finish_batch(tx, run.tenant, run.id);
  }));
  if (listening) return {};
  return Error{ErrorCode::kUnavailable, "batch.client_gone", ""};
}

std::string results_path(const registry::Tenant& tenant, const BatchId& id) {
  return "/v1/tenants/" + tenant.name + "/batches/" + id.text() + "/results";
}

Result<http::Response> create(Call& call) {
  MUSTER_TRY(const std::string_view text, call.request.body.view());
  MUSTER_TRY(auto lines, split_batch(text));
  const std::size_t count = lines.size();
  MUSTER_TRY(
      const registry::Batch batch,
      db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<registry::Batch> {
        MUSTER_TRY(auto made, registry::create_batch(tx, call.tenant().id, call.who.caller.audit_name()));
        auto event = call.event("batch.create", "batch:" + made.id.text(), "");
        event.detail.emplace_back(registry::AuditField::kCount, std::to_string(count));
        MUSTER_TRY_VOID(append_event(tx, event));
        return made;
      }));
  http::Response response;
  response.content_type = kContentType;
  response.headers.emplace_back("location", results_path(call.tenant(), batch.id));
  response.stream = [run = BatchRun{call.context, call.who.caller, call.tenant().id, batch.id, std::move(lines)}](
                        http::BodyWriter& writer) {
    static const Log log{"api"};
    const auto done = run_batch(run, writer);
    if (!done.ok()) log.warning("batch cut short", {{"batch", run.id.text()}, {"error", to_log_text(done.error())}});
    return done.ok();
  };
  return response;
}

// Writes stored results again as they were first answered, but for the proof of the issuance log: that is one in the
// tree of now.
class ResultText {
 public:
  ResultText(const Call& call, const BatchId& id) : call_(call), id_(id) {}

  // The results behind line `after`; returns the line of the last one, nothing where there are no more.
  Result<std::optional<std::uint64_t>> append_page(std::uint64_t after) {
    std::vector<registry::StoredBatchResult> results;
    MUSTER_TRY_VOID(db::run_in_transaction(call_.context.pool, call_.scope(), [&](db::Transaction& tx) -> Result<void> {
      MUSTER_TRY(results, registry::read_batch_results(tx, call_.tenant().id, id_, after, kResultsAtOnce));
      for (const auto& result : results) {
        if (!result.issued || chains_.contains(result.issued->issuer_id)) continue;
        MUSTER_TRY(const auto row, registry::get_issuer(tx, result.issued->issuer_id));
        chains_.emplace(result.issued->issuer_id, chain_pem(row));
      }
      return {};
    }));
    MUSTER_TRY_VOID(append(results));
    if (results.size() < kResultsAtOnce) return std::optional<std::uint64_t>{};
    return std::optional{results.back().line};
  }
  std::string take() { return std::move(text_); }

 private:
  Result<void> append(const std::vector<registry::StoredBatchResult>& results) {
    std::vector<Sha256> issued;
    for (const auto& result : results) {
      if (result.issued) issued.push_back(result.issued->id);
    }
    MUSTER_TRY(auto proofs, enroll::TransparencyReader{call_.context.authority}.inclusions(call_.tenant().id, issued));
    for (const auto& result : results) {
      if (!result.issued) {
        text_.append(result.json).append("\n");
        continue;
      }
      auto certificate = stored_certificate(*result.issued, chains_.at(result.issued->issuer_id));
      if (const auto proof = proofs.find(result.issued->id); proof != proofs.end()) certificate.log = proof->second;
      text_.append(success_line(result.line, result.issued->device, certificate)).append("\n");
    }
    return {};
  }

  const Call& call_;
  const BatchId id_;
  std::map<IssuerId, std::string> chains_;
  std::string text_;
};

Result<std::string> load_results(const Call& call, const BatchId& id) {
  ResultText text{call, id};
  std::optional<std::uint64_t> after{0};
  while (after) {
    MUSTER_TRY(after, text.append_page(*after));
  }
  return text.take();
}

// 200: all results; 202: those there are so far.
Result<http::Response> results_of(Call& call, const std::string& id_text) {
  const auto id = BatchId::parse(id_text);
  if (!id.ok()) return Error{ErrorCode::kNotFound, registry::kBatchNotFound, ""};
  MUSTER_TRY(const auto batch, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::get_batch(tx, call.tenant().id, *id);
             }));
  // The status is read first: "done" then means that every result is there.
  http::Response response;
  response.status = batch.status == registry::BatchStatus::kDone ? 200 : 202;
  response.content_type = kContentType;
  MUSTER_TRY(response.body, load_results(call, *id));
  return response;
}

Result<http::Response> results(Call& call) { return results_of(call, call.request.parameter("batch")); }

Result<http::Response> replay(Call& call, const std::string& location) {
  const std::size_t end = location.rfind('/');
  const std::size_t start = end == std::string::npos ? end : location.rfind('/', end - 1);
  if (start == std::string::npos) return internal_error("a batch was kept without its location");
  MUSTER_TRY(auto response, results_of(call, location.substr(start + 1, end - start - 1)));
  response.headers.emplace_back("location", location);
  response.headers.emplace_back("idempotency-replayed", "true");
  return response;
}

}  // namespace

void add_batches(Operations& operations) {
  Operation run{"POST", "/v1/tenants/{tenant}/batches", Action::kBatchRun, create, Replay::kAnswer};
  run.max_body_bytes = kMaxBatchBytes;
  run.storage = http::BodyStorage::kFile;
  run.replay_from = replay;
  operations.push_back(std::move(run));
  operations.push_back({"GET", "/v1/tenants/{tenant}/batches/{batch}/results", Action::kBatchRead, results});
}

}  // namespace muster::api
