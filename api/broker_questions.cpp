// SPDX-License-Identifier: Apache-2.0
//
// What brokers of another make ask, and get the decision of our plugin: POST /v1/authn and /v1/authz in the form of
// EMQX's HTTP authentication and authorisation (docs/emqx.md).
//
// EMQX takes any answer but 200 and 204 for "ignore" and goes on to what else it is told, which may be to allow. So
// everything that a device could bring about is 200 with "deny": errors, a full rate, a database that is away. 401 and
// 403 are for the asking broker's own token or certificate only.
#include <algorithm>
#include <charconv>
#include <memory>

#include "api/broker_question.h"
#include "api/problem.h"
#include "api/reasons.h"
#include "api/registry_view.h"
#include "api/routes.h"
#include "auth-plugin/other_broker.h"
#include "core/encoding.h"
#include "core/log.h"
#include "registry/certificate_store.h"
#include "registry/device_store.h"
#include "registry/tenant_store.h"
#include "x509/sha256.h"

namespace muster::api {
namespace {

constexpr std::size_t kMaxBody = 4u << 20;         // three MQTT strings of 64 KiB as JSON escapes, and a certificate
constexpr RateLimit kQuestionRate{5'000, 20'000};  // of one broker
constexpr std::int64_t kLongestSession = 31'536'000;
constexpr std::size_t kMaxCertificatesOfDevice = 16;

// Asker is the broker that asks, as far as it was found to be one.
struct Asker {
  std::string name;               // for the rate
  std::vector<TenantId> tenants;  // whose clients it may ask about; empty: all
};

struct Ask {
  ApiContext& context;
  const http::Request& request;
  Asker asker;
};

const Log& log() {
  static const Log instance{"api"};
  return instance;
}

std::vector<BytesView> views_of(const std::vector<Bytes>& chain) { return {chain.begin(), chain.end()}; }

auth_plugin::OtherBroker broker_of(const Ask& ask, const RegistryView& view) {
  const auto& tenants = ask.asker.tenants;
  return {view, ask.context.trust_domain, tenants.size() == 1 ? std::optional{tenants.front()} : std::nullopt,
          ask.context.clock.now()};
}

// A failure to read outweighs the refusal that followed from it: it is an operator's business.
template <typename T>
Result<T> settled(const RegistryView& view, Result<T> decided) {
  if (view.failure().ok()) return decided;
  return view.failure().error();
}

Result<auth_plugin::AdmittedClient> decide_authn(const Ask& ask, const BrokerQuestion& question) {
  using Admitted = auth_plugin::AdmittedClient;
  const auto chain = views_of(question.chain);
  return db::run_in_transaction(
      ask.context.pool, db::Scope::system().reading(), [&](db::Transaction& tx) -> Result<Admitted> {
        RegistryView view{tx, ask.asker.tenants, ask.context.clock.now()};
        if (!chain.empty()) MUSTER_TRY_VOID(view.load_issuers_for(chain.front()));
        return settled(view,
                       auth_plugin::admit_client(broker_of(ask, view), {chain, question.client_id, question.username}));
      });
}

// The certificates that the registry lists for a device of this name: its tenant's and device's are filled in `view`.
struct DeviceByName {
  DeviceId id;
  std::vector<Sha256> certificates;
};
Result<std::optional<DeviceByName>> find_by_name(db::Transaction& tx, RegistryView& view, std::string_view client_id,
                                                 UtcTime now) {
  using Found = std::optional<DeviceByName>;
  const std::size_t slash = client_id.find('/');
  if (slash == std::string_view::npos) return Found{};
  const auto device_name = DeviceName::parse(client_id.substr(slash + 1));
  const auto tenant = view.find_tenant_by_name(client_id.substr(0, slash));
  if (!device_name.ok() || !tenant) return Found{};
  MUSTER_TRY_VOID(tx.enter(db::Scope::of_tenant(tenant->id)));
  MUSTER_TRY(const auto device, registry::find_device(tx, tenant->id, *device_name));
  DeviceByName found;
  if (device) {
    found.id = device->id;
    registry::CertificateFilter filter;
    filter.device_id = device->id;
    filter.status = registry::CertificateStatus::kActive;
    registry::PageRequest page;
    page.limit = kMaxCertificatesOfDevice;
    MUSTER_TRY(const auto certificates, registry::list_certificates(tx, tenant->id, filter, page, now));
    for (const auto& row : certificates.items) found.certificates.push_back(row.id);
  }
  MUSTER_TRY_VOID(tx.enter(db::Scope::system()));
  if (!device) return Found{};
  view.name_tenant(device->id, tenant->id);
  MUSTER_TRY_VOID(view.load_issuers_of(tenant->id));
  return Found{std::move(found)};
}

Result<void> decide_authz(const Ask& ask, const BrokerQuestion& question) {
  const auto chain = views_of(question.chain);
  const UtcTime now = ask.context.clock.now();
  const auth_plugin::OtherClient client{chain, question.client_id, question.username};
  TopicQuestion access = question.access;
  access.topic = question.topic;
  return db::run_in_transaction(
      ask.context.pool, db::Scope::system().reading(), [&](db::Transaction& tx) -> Result<void> {
        RegistryView view{tx, ask.asker.tenants, now};
        if (!chain.empty()) {
          MUSTER_TRY_VOID(view.load_issuers_for(chain.front()));
          return settled(view, auth_plugin::decide_topic(broker_of(ask, view), client, access));
        }
        MUSTER_TRY(const auto device, find_by_name(tx, view, question.client_id, now));
        return settled(
            view, auth_plugin::decide_topic_of_device(broker_of(ask, view), client, device ? device->id : DeviceId{},
                                                      device ? device->certificates : std::vector<Sha256>{}, access));
      });
}

// The longest session that the operator allows here, by ?max_session_seconds=: after it EMQX has the client connect
// again. nullopt: until the certificate ends.
Result<std::optional<std::int64_t>> longest_session(const http::Request& request) {
  std::optional<std::int64_t> longest;
  for (const auto& [name, value] : request.query) {
    if (name != "max_session_seconds") return Error{ErrorCode::kInvalidArgument, reasons::kQueryUnknown, name};
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    const bool whole = error == std::errc{} && end == value.data() + value.size();
    if (!whole || seconds < 10 || seconds > kLongestSession) {
      return Error{ErrorCode::kInvalidArgument, reasons::kQueryInvalid, "max_session_seconds: 10 to 31536000"};
    }
    longest = seconds;
  }
  return longest;
}

void count(const Ask& ask, const char* question, std::string_view reason) {
  MetricsRegistry& metrics = ask.context.metrics;
  metrics
      .counter("muster_api_broker_decisions_total", "Decisions for brokers of another make.",
               {{"question", question}, {"verdict", reason.empty() ? "allowed" : "denied"}})
      .add();
  if (reason.empty()) return;
  metrics
      .counter("muster_api_broker_denials_total", "Denials among them.",
               {{"question", question}, {"reason", std::string(reason)}})
      .add();
}

// The reason is for people: brokers of another make do not read it. What went wrong inside is not told.
http::Response deny(const Ask& ask, const char* question, const Error& error) {
  if (http_status(error) >= 500) {
    log().error("decision for another broker failed",
                {{"request_id", ask.request.request_id}, {"error", to_log_text(error)}});
  }
  const std::string_view reason = http_status(error) >= 500 ? std::string_view("decision.internal") : error.reason;
  count(ask, question, reason);
  JsonWriter out;
  out.object([&] { out.field("result", "deny").field("reason", reason); });
  return http::json_response(200, out.take());
}

http::Response answer_authn(const Ask& ask) {
  const auto run = [&]() -> Result<http::Response> {
    MUSTER_TRY(const auto longest, longest_session(ask.request));
    MUSTER_TRY(const std::string_view text, ask.request.body.view());
    MUSTER_TRY(const BrokerQuestion question, read_authn_question(text));
    MUSTER_TRY(const auto admitted, decide_authn(ask, question));
    auto end = admitted.not_after;
    if (longest) end = std::min(end, ask.context.clock.now() + std::chrono::seconds(*longest));
    JsonWriter out;
    out.object([&] {
      out.field("result", "allow").field("is_superuser", false);
      out.field("expire_at", static_cast<std::int64_t>(end.time_since_epoch().count()));
      out.key("client_attrs").object([&] { out.field("certificate", to_hex(admitted.certificate_id)); });
    });
    count(ask, "authn", {});
    return http::json_response(200, out.take());
  };
  auto response = run();
  return response.ok() ? std::move(*response) : deny(ask, "authn", response.error());
}

http::Response answer_authz(const Ask& ask) {
  const auto run = [&]() -> Result<void> {
    MUSTER_TRY(const std::string_view text, ask.request.body.view());
    MUSTER_TRY(const BrokerQuestion question, read_authz_question(text));
    return decide_authz(ask, question);
  };
  const auto decided = run();
  if (!decided.ok()) return deny(ask, "authz", decided.error());
  count(ask, "authz", {});
  return http::json_response(200, R"({"result":"allow"})");
}

Error rate_limited() { return {ErrorCode::kResourceExhausted, reasons::kRateLimited, ""}; }

using FindAsker = std::function<Result<Asker>(ApiContext&, const http::Request&)>;
using Answer = http::Response (*)(const Ask&);

// An outage is no word about the caller, and a tenant that was suspended has no clients that may.
bool is_word_about_caller(const Error& error) {
  return http_status(error) < 500 && error.reason != reasons::kAuthTenant && error.reason != reasons::kRateLimited;
}

void add(ApiContext& context, http::Router& router, const FindAsker& find_asker) {
  const auto rates = std::make_shared<RateLimiter>(kQuestionRate);
  const auto add_one = [&](const std::string& pattern, const char* question, Answer answer) {
    http::Route route;
    route.method = "POST";
    route.pattern = pattern;
    route.max_body_bytes = kMaxBody;
    route.handler = [&context, rates, find_asker, question, answer](const http::Request& request) {
      auto asker = find_asker(context, request);
      if (!asker.ok() && is_word_about_caller(asker.error())) return to_problem(asker.error(), request.request_id);
      Ask ask{context, request, asker.ok() ? std::move(*asker) : Asker{}};
      if (!asker.ok()) return deny(ask, question, asker.error());
      if (!rates->take(ask.asker.name, std::chrono::steady_clock::now())) return deny(ask, question, rate_limited());
      http::Response response = answer(ask);
      response.headers.emplace_back("cache-control", "no-store");
      return response;
    };
    router.add(std::move(route));
  };
  add_one("/v1/authn", "authn", answer_authn);
  add_one("/v1/authz", "authz", answer_authz);
}

Result<Asker> asker_by_token(ApiContext& context, const http::Request& request) {
  AlsoAccepted also;
  also.counted_elsewhere = true;
  MUSTER_TRY(const Authenticated who, authenticate(context, request, also));
  if (authorise(who.caller, Action::kBrokerAsk, who.caller.tenant) != Decision::kAllow) {
    return Error{ErrorCode::kPermissionDenied, reasons::kForbidden, "not in this role"};
  }
  Asker asker{who.caller.audit_name(), {}};
  if (who.caller.tenant) asker.tenants.push_back(*who.caller.tenant);
  return asker;
}

Result<Asker> asker_by_edge(ApiContext& context, const http::Request& request) {
  MUSTER_TRY(const registry::Edge edge, authenticate_edge(context, request));
  return Asker{"edge:" + edge.id.text(), edge.tenants};
}

}  // namespace

void add_broker_questions(ApiContext& context, http::Router& router) { add(context, router, asker_by_token); }

void add_broker_questions_of_edges(ApiContext& context, http::Router& router) { add(context, router, asker_by_edge); }

}  // namespace muster::api
