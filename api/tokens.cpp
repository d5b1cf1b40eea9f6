// SPDX-License-Identifier: Apache-2.0
#include "registry/token_store.h"

#include "api/reasons.h"
#include "api/routes.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

constexpr std::int64_t kMaxLifetimeSeconds = 10LL * 365 * 86'400;

TenantId tenant_of(const Call& call) { return call.tenant_of_path ? call.tenant().id : TenantId{}; }

std::string tokens_path(const Call& call) {
  return call.tenant_of_path ? "/v1/tenants/" + call.tenant().name + "/tokens" : "/v1/tokens";
}

void write_token_fields(JsonWriter& out, const registry::Token& token) {
  out.field("id", token.id.text())
      .field("role", to_string(token.role))
      .field("description", token.description)
      .field("created_at", to_rfc3339(token.created_at))
      .nullable("expires_at", token.expires_at ? to_rfc3339(*token.expires_at) : "");
  if (token.role != registry::TokenRole::kFactory) return;
  out.key("devices").array([&] {
    for (const std::string& device : token.devices) out.value(device);
  });
}

// Which roles a token may have here: the platform's own three, or those inside a tenant.
bool role_fits(registry::TokenRole role, bool of_tenant) {
  switch (role) {
    case registry::TokenRole::kPlatformAdmin: return !of_tenant;
    case registry::TokenRole::kAuditor:
    case registry::TokenRole::kBroker: return true;
    case registry::TokenRole::kTenantAdmin:
    case registry::TokenRole::kFactory:
    case registry::TokenRole::kApplication: return of_tenant;
  }
  return false;
}

Result<registry::NewToken> read_token(const Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  registry::NewToken token;
  token.tenant_id = tenant_of(call);
  const std::string role_text = body.required_string("role");
  token.description = body.optional_string("description").value_or("");
  if (token.description.size() > 256) body.fail("description", "at most 256 octets");
  const auto lifetime = body.optional_integer("expires_in_seconds");
  if (lifetime && (*lifetime < 1 || *lifetime > kMaxLifetimeSeconds)) {
    body.fail("expires_in_seconds", "1 to " + std::to_string(kMaxLifetimeSeconds));
  }
  const auto devices = body.optional_strings("devices", registry::kMaxTokenDevices);
  if (devices && role_text != to_string(registry::TokenRole::kFactory)) body.fail("devices", "only with role factory");
  MUSTER_TRY_VOID(body.finish());
  token.devices = devices.value_or(std::vector<std::string>{});
  for (const std::string& device : token.devices) MUSTER_TRY_VOID(DeviceName::parse(device));
  if (lifetime) token.expires_at = call.now() + std::chrono::seconds{*lifetime};
  const auto role = registry::parse_token_role(role_text);
  if (!role || !role_fits(*role, call.tenant_of_path.has_value())) {
    return Error{ErrorCode::kInvalidArgument, reasons::kRoleInvalid, "no such role here"};
  }
  token.role = *role;
  return token;
}

Result<http::Response> create(Call& call) {
  MUSTER_TRY(registry::NewToken request, read_token(call));
  const FreshToken fresh = make_token();
  request.sha256 = fresh.sha256;
  MUSTER_TRY(
      const registry::Token token,
      db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<registry::Token> {
        MUSTER_TRY(auto made, registry::create_token(tx, request));
        auto event = call.event("token.create", "token:" + made.id.text(), "");
        event.detail.emplace_back(registry::AuditField::kRole, to_string(made.role));
        if (!made.devices.empty()) {
          event.detail.emplace_back(registry::AuditField::kCount, std::to_string(made.devices.size()));
        }
        MUSTER_TRY_VOID(append_event(tx, event));
        return made;
      }));
  JsonWriter out;
  out.object([&] {
    write_token_fields(out, token);
    out.field("token", fresh.text);
  });
  http::Response response = http::json_response(201, out.take());
  response.headers.emplace_back("location", tokens_path(call) + "/" + token.id.text());
  return response;
}

Result<http::Response> list(Call& call) {
  MUSTER_TRY(const auto page, call.page());
  MUSTER_TRY(const auto tokens, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::list_tokens(tx, tenant_of(call), page);
             }));
  return page_response(tokens, [](JsonWriter& out, const registry::Token& token) {
    out.object([&] {
      write_token_fields(out, token);
      out.nullable("revoked_at", token.revoked_at ? to_rfc3339(*token.revoked_at) : "");
    });
  });
}

Result<http::Response> revoke(Call& call) {
  const auto id = TokenId::parse(call.request.parameter("token"));
  if (!id.ok()) return Error{ErrorCode::kNotFound, registry::kTokenNotFound, ""};
  auto revoked = db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY_VOID(registry::revoke_token(tx, tenant_of(call), *id, call.now()));
    return append_event(tx, call.event("token.revoke", "token:" + id->text(), ""));
  });
  if (!revoked.ok()) return std::move(revoked).error();
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace

void add_tokens(Operations& operations) {
  for (const std::string path : {"/v1/tokens", "/v1/tenants/{tenant}/tokens"}) {
    operations.push_back({"POST", path, Action::kTokenWrite, create, Replay::kRefuse});
    operations.push_back({"GET", path, Action::kTokenRead, list, Replay::kNone, {"limit", "cursor"}});
    operations.push_back({"DELETE", path + "/{token}", Action::kTokenWrite, revoke});
  }
}

}  // namespace muster::api
