// SPDX-License-Identifier: Apache-2.0
#include "api/routes.h"
#include "enroll/key_custody.h"

namespace muster::api {
namespace {

Result<http::Response> show(Call& call) {
  MUSTER_TRY(const auto use, enroll::KeyCustody(call.context.authority).use(call.who.caller));
  JsonWriter out;
  out.object([&] {
    out.key("key_encryption_keys").array([&] {
      for (const enroll::KeyEncryptionKeyUse& one : use.key_encryption_keys) {
        out.object([&] {
          out.field("id", one.id).field("primary", one.primary).field("loaded", one.loaded).field("keys", one.keys);
        });
      }
    });
    out.field("token_keys", use.token_keys);
    out.key("unused_token_keys").array([&] {
      for (const enroll::UnusedTokenKey& one : use.unused_token_keys) {
        out.object([&] {
          out.field("id", one.id).nullable("tenant_id", one.tenant.is_nil() ? "" : one.tenant.text());
          out.field("issuer_id", one.issuer.text());
        });
      }
    });
    out.nullable("token_failure", use.token_failure);
  });
  return http::json_response(200, out.take());
}

Result<http::Response> rewrap(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  const auto cursor = body.optional_string("cursor");
  const auto limit = body.optional_integer("limit").value_or(100);
  if (limit < 1 || limit > static_cast<std::int64_t>(enroll::kMaxRewrapsPerCall)) body.fail("limit", "1 to 1000");
  KeyId after;
  if (cursor) {
    const auto parsed = KeyId::parse(*cursor);
    if (parsed.ok()) {
      after = *parsed;
    } else {
      body.fail("cursor", "what the answer before gave as next_cursor");
    }
  }
  MUSTER_TRY_VOID(body.finish());
  enroll::KeyCustody custody(call.context.authority);
  MUSTER_TRY(const auto progress, custody.rewrap(call.who.caller, after, static_cast<std::size_t>(limit)));
  JsonWriter out;
  out.object([&] {
    out.field("primary", progress.primary)
        .field("rewrapped", progress.rewrapped)
        .field("remaining", progress.remaining);
    out.key("failures").array([&] {
      for (const auto& failure : progress.failures) {
        out.object([&] { out.field("issuer_id", failure.issuer.text()).field("reason", failure.reason); });
      }
    });
    out.nullable("next_cursor", progress.next.is_nil() ? "" : progress.next.text());
  });
  return http::json_response(200, out.take());
}

Result<http::Response> remove_unused(Call& call) {
  enroll::KeyCustody custody(call.context.authority);
  MUSTER_TRY_VOID(custody.remove_unused(call.who.caller, call.request.parameter("key")));
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace

void add_keys(Operations& operations) {
  operations.push_back({"GET", "/v1/keys", Action::kKeysManage, show});
  operations.push_back({"POST", "/v1/keys/rewrap", Action::kKeysManage, rewrap});
  operations.push_back({"DELETE", "/v1/keys/token/{key}", Action::kKeysManage, remove_unused});
}

}  // namespace muster::api
