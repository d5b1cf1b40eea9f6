// SPDX-License-Identifier: Apache-2.0
//
// A batch is a resource: its lines are spooled before the first is worked on, its results are stored group by group and
// streamed as they come. A client that loses the connection fetches them again; the work goes on without it.
//
// A few groups are under way at once: while the database works on one, the requests of the next are verified.
#include <algorithm>
#include <deque>
#include <future>
#include <set>

#include "api/problem.h"
#include "api/reasons.h"
#include "api/routes.h"
#include "core/log.h"
#include "registry/batch_store.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

constexpr std::size_t kMaxLines = 10'000;
constexpr std::size_t kMaxBatchBytes = 40u << 20;
constexpr std::size_t kMaxLineBytes = 32u << 10;
constexpr std::size_t kGroupLines = 200;
constexpr std::size_t kGroupsAtOnce = 3;
constexpr std::size_t kResultsAtOnce = 500;
constexpr std::string_view kContentType = "application/x-ndjson";

struct Line {
  std::uint64_t number = 0;
  std::string_view text;
};

struct Item {
  std::uint64_t line = 0;
  std::string device;
  std::optional<enroll::EnrollRequest> request;  // empty: `error` says why
  Error error;
};

Result<std::vector<Line>> split_lines(std::string_view text) {
  std::vector<Line> lines;
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (lines.size() == kMaxLines) {
      return Error{ErrorCode::kResourceExhausted, reasons::kTooManyLines, "at most " + std::to_string(kMaxLines)};
    }
    lines.push_back({number, line});
  }
  return lines;
}

Result<enroll::EnrollRequest> parse_line(const TenantId& tenant, const Line& line, std::string& device) {
  if (line.text.size() > kMaxLineBytes) {
    return Error{ErrorCode::kInvalidArgument, reasons::kLineInvalid,
                 "at most " + std::to_string(kMaxLineBytes) + " octets a line"};
  }
  MUSTER_TRY(JsonReader body, JsonReader::parse(line.text));
  enroll::EnrollRequest request;
  request.tenant = tenant;
  request.device = body.required_string("device");
  request.csr = body.required_string("csr");
  if (auto profile = body.optional_string("profile")) request.profile = std::move(*profile);
  if (body.optional_bool("create").value_or(false)) request.create = enroll::CreateDevice::kYes;
  device = request.device;
  MUSTER_TRY_VOID(body.finish());
  return request;
}

std::string success_line(const Item& item, const enroll::IssuedCertificate& issued) {
  JsonWriter out;
  out.object([&] {
    out.field("line", item.line)
        .field("device", item.device)
        .field("status", 201)
        .field("id", issued.id_hex)
        .field("serial", issued.serial_hex)
        .field("certificate", issued.certificate_pem)
        .field("chain", issued.chain_pem)
        .field("not_after", to_rfc3339(issued.not_after));
  });
  return out.take();
}

std::string failure_line(const Item& item, const Error& error) {
  JsonWriter out;
  out.object([&] {
    out.field("line", item.line)
        .field("device", item.device)
        .field("status", http_status(error))
        .field("reason", error.reason);
    if (error.code == ErrorCode::kInvalidArgument && !error.detail.empty()) out.field("detail", error.detail);
  });
  return out.take();
}

// What outlives the request's handler while the answer streams.
struct BatchRun {
  ApiContext& context;
  enroll::Caller caller;
  TenantId tenant;
  BatchId id;
  std::vector<Line> lines;  // views of the request's body, which lives until the answer is sent
};

std::vector<Item> parse_group(const BatchRun& run, std::span<const Line> lines) {
  std::vector<Item> items;
  items.reserve(lines.size());
  for (const Line& line : lines) {
    Item& item = items.emplace_back(Item{line.number, "", std::nullopt, {}});
    auto parsed = parse_line(run.tenant, line, item.device);
    if (parsed.ok()) {
      item.request = std::move(*parsed);
    } else {
      item.error = parsed.error();
    }
  }
  return items;
}

using Results = std::vector<registry::BatchResult>;

// Issues for a group and stores its results.
Result<Results> run_group(const BatchRun& run, std::vector<Item> items) {
  std::vector<enroll::EnrollRequest> requests;
  for (Item& item : items) {
    if (item.request) requests.push_back(std::move(*item.request));
  }
  const auto issued = run.context.authority.enroll_batch(run.caller, requests);
  Results results;
  std::size_t next = 0;
  for (const Item& item : items) {
    if (!item.request) {
      results.push_back({item.line, failure_line(item, item.error)});
      continue;
    }
    const auto& outcome = issued.at(next++);
    results.push_back({item.line, outcome.ok() ? success_line(item, *outcome) : failure_line(item, outcome.error())});
  }
  MUSTER_TRY_VOID(db::run_in_transaction(run.context.pool, db::Scope::of_tenant(run.tenant), [&](db::Transaction& tx) {
    return registry::append_batch_results(tx, run.tenant, run.id, results);
  }));
  return results;
}

// GroupsUnderWay runs groups on threads of their own and gives their results in the order of the lines. Its end waits
// for all of them.
class GroupsUnderWay {
 public:
  explicit GroupsUnderWay(const BatchRun& run) : run_(run) {}

  bool empty() const { return groups_.empty(); }
  // Whether `items` must wait: there are enough under way, or an earlier line for one of its devices is, which comes
  // first.
  bool must_wait(const std::vector<Item>& items) const {
    const auto earlier = [&](const Group& group) {
      return std::ranges::any_of(items,
                                 [&](const Item& item) { return item.request && group.devices.contains(item.device); });
    };
    return groups_.size() >= kGroupsAtOnce || std::ranges::any_of(groups_, earlier);
  }
  void start(std::vector<Item> items) {
    std::set<std::string> devices;
    for (const Item& item : items) {
      if (item.request) devices.insert(item.device);
    }
    groups_.push_back(
        {std::move(devices), std::async(std::launch::async, run_group, std::cref(run_), std::move(items))});
  }
  Result<Results> take_first() {
    auto results = groups_.front().results.get();
    groups_.pop_front();
    return results;
  }

 private:
  struct Group {
    std::set<std::string> devices;
    std::future<Result<Results>> results;
  };
  const BatchRun& run_;
  std::deque<Group> groups_;
};

Result<void> run_batch(const BatchRun& run, http::BodyWriter& writer) {
  bool listening = true;
  GroupsUnderWay under_way{run};
  const auto pass_on_first = [&]() -> Result<void> {
    MUSTER_TRY(const Results results, under_way.take_first());
    for (const auto& result : results) listening = listening && writer.write(result.json + "\n");
    return {};
  };
  for (std::size_t first = 0; first < run.lines.size(); first += kGroupLines) {
    const auto lines = std::span{run.lines}.subspan(first, std::min(kGroupLines, run.lines.size() - first));
    std::vector<Item> items = parse_group(run, lines);
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
  MUSTER_TRY(auto lines, split_lines(text));
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

Result<std::string> load_results(const Call& call, const BatchId& id) {
  std::string text;
  std::uint64_t after = 0;
  while (true) {
    MUSTER_TRY(const auto results, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
                 return registry::read_batch_results(tx, call.tenant().id, id, after, kResultsAtOnce);
               }));
    for (const auto& result : results) {
      text.append(result.json).append("\n");
      after = result.line;
    }
    if (results.size() < kResultsAtOnce) return text;
  }
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
