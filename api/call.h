// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what every authenticated REST operation has in common, written once: authentication, the tenant of the path,
// authorisation, query names, Idempotency-Key, audit of refusals, problem+json.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/authentication.h"
#include "api/authorisation.h"
#include "api/context.h"
#include "api/json_reader.h"
#include "api/json_writer.h"
#include "db/transaction.h"
#include "http/router.h"
#include "registry/audit_store.h"
#include "registry/page.h"
#include "registry/tenant_store.h"

namespace muster::api {

// Call is one authorised request on its way through its handler.
struct Call {
  ApiContext& context;
  const http::Request& request;
  Authenticated who;
  std::optional<registry::Tenant> tenant_of_path;

  const registry::Tenant& tenant() const { return *tenant_of_path; }  // only where the pattern has {tenant}
  db::Scope scope() const;                                            // the tenant's, or system where the path has none
  UtcTime now() const { return context.clock.now(); }

  // Reasons: request.json_malformed, request.field_invalid.
  Result<JsonReader> json() const;
  // limit and cursor of the query. Reason: request.query_invalid.
  Result<registry::PageRequest> page() const;
  // Empty optional: not in the query.
  std::optional<std::string> query(std::string_view name) const;
  // Reason: request.query_invalid.
  Result<std::int64_t> query_integer(std::string_view name, std::int64_t fallback, std::int64_t least,
                                     std::int64_t most) const;

  // An event about this call, to be appended in the transaction of the change. `target` is "kind:id".
  registry::AuditEvent event(std::string action, std::string target, std::string target_name) const;
  // Devices speak for themselves only; to them no other device exists. Reason: device.not_found.
  Result<void> require_own_device(std::string_view device_name) const;
};

// What a repeated request with the same Idempotency-Key gets.
enum class Replay {
  kNone,    // the key is not looked at: reading, or idempotent by nature
  kAnswer,  // the first answer
  kRefuse,  // 409: the first answer held a secret that is stored nowhere
};

struct Operation {
  std::string method;
  std::string pattern;
  Action action;
  std::function<Result<http::Response>(Call&)> handle;
  Replay replay = Replay::kNone;
  std::vector<std::string_view> query = {};  // names it understands; any other is refused
  std::size_t max_body_bytes = 1u << 20;
  http::BodyStorage storage = http::BodyStorage::kMemory;
  // For an answer that is too large to be kept with the key: makes it again from its Location.
  std::function<Result<http::Response>(Call&, const std::string& location)> replay_from = {};
};

// to_route wraps an operation for the router.
http::Route to_route(ApiContext& context, Operation operation);

// Audit of one change, in its transaction.
Result<void> append_event(db::Transaction& tx, const registry::AuditEvent& event);

// {"items":[…],"next_cursor":…}; `write(out, item)` writes one.
template <typename T, typename Write>
http::Response page_response(const registry::Page<T>& page, Write&& write) {
  JsonWriter out;
  out.object([&] {
    out.key("items").array([&] {
      for (const T& item : page.items) write(out, item);
    });
    out.nullable("next_cursor", page.next_cursor);
  });
  return http::json_response(200, out.take());
}

}  // namespace muster::api
