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

}  // namespace

void add_keys(Operations& operations) {
  operations.push_back({"GET", "/v1/keys", Action::kKeysManage, show});
  operations.push_back({"POST", "/v1/keys/rewrap", Action::kKeysManage, rewrap});
}

}  // namespace muster::api
