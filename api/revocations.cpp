// SPDX-License-Identifier: Apache-2.0
#include "api/reasons.h"
#include "api/routes.h"
#include "core/encoding.h"
#include "enroll/bulk_revocation.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

constexpr std::size_t kMaxBody = 8u << 20;  // 100,000 serials

std::optional<UtcTime> optional_time(JsonReader& body, const std::string& name) {
  const auto text = body.optional_string(name);
  if (!text) return std::nullopt;
  const auto time = parse_rfc3339(*text);
  if (time.ok()) return *time;
  body.fail(name, "an RFC 3339 time");
  return std::nullopt;
}

Result<void> read_query(JsonReader& query, enroll::BulkRequest& request) {
  request.device = query.optional_string("device");
  request.group = query.optional_string("group");
  if (const auto issuer = query.optional_string("issuer")) {
    const auto id = IssuerId::parse(*issuer);
    if (id.ok()) {
      request.issuer = *id;
    } else {
      query.fail("issuer", "an issuer's id");
    }
  }
  request.expires_before = optional_time(query, "expires_before");
  request.not_before_after = optional_time(query, "not_before_after");
  request.not_before_before = optional_time(query, "not_before_before");
  return query.finish();
}

struct Asked {
  enroll::BulkRequest request;
  bool dry_run = false;
};

Result<Asked> read_request(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  Asked asked;
  asked.request.tenant = call.tenant().id;
  if (auto reason = body.optional_string("reason")) asked.request.reason = std::move(*reason);
  if (auto serials = body.optional_strings("serials", registry::kMaxBulkSerials)) {
    asked.request.serials = std::move(*serials);
  }
  asked.dry_run = body.optional_bool("dry_run").value_or(false);
  if (auto query = body.optional_object("query")) MUSTER_TRY_VOID(read_query(*query, asked.request));
  MUSTER_TRY_VOID(body.finish());
  return asked;
}

http::Response preview_response(const registry::SelectionPreview& preview) {
  JsonWriter out;
  out.object([&] {
    out.field("dry_run", true)
        .field("count", preview.count)
        .field("already_revoked", preview.already_revoked)
        .field("not_found", preview.not_found);
    out.key("certificates").array([&] {
      for (const registry::SelectedCertificate& certificate : preview.first) {
        out.object([&] {
          out.field("id", to_hex(certificate.id))
              .field("serial", to_hex(certificate.serial))
              .field("device", certificate.device_name)
              .field("issuer_id", certificate.issuer_id.text())
              .field("not_after", to_rfc3339(certificate.not_after));
        });
      }
    });
  });
  return http::json_response(200, out.take());
}

http::Response progress_response(const Call& call, int status, const registry::BulkRevocation& work) {
  JsonWriter out;
  out.object([&] {
    out.field("id", to_uuid_text(work.id))
        .field("status", work.done ? "done" : "running")
        .field("reason", to_string(work.reason))
        .field("revoked", work.revoked)
        .field("already_revoked", work.already_revoked)
        .field("not_found", work.not_found)
        .field("created_at", to_rfc3339(work.created_at));
    if (work.finished_at) out.field("finished_at", to_rfc3339(*work.finished_at));
  });
  http::Response response = http::json_response(status, out.take());
  if (status == 202) {
    response.headers.emplace_back("location",
                                  "/v1/tenants/" + call.tenant().name + "/revocations/" + to_uuid_text(work.id));
  }
  return response;
}

// 202 whether it is done by then or goes on: the answer says which, and the location tells later.
Result<http::Response> start(Call& call) {
  MUSTER_TRY(const Asked asked, read_request(call));
  enroll::BulkRevocations revocations{call.context.authority};
  if (asked.dry_run) {
    MUSTER_TRY(const auto preview, revocations.preview(call.who.caller, asked.request));
    return preview_response(preview);
  }
  MUSTER_TRY(const auto work, revocations.start(call.who.caller, asked.request));
  return progress_response(call, 202, work);
}

Result<http::Response> get(Call& call) {
  const auto id = parse_raw_id(call.request.parameter("revocation"));
  if (!id.ok()) return Error{ErrorCode::kNotFound, registry::kRevocationNotFound, ""};
  enroll::BulkRevocations revocations{call.context.authority};
  MUSTER_TRY(const auto work, revocations.get(call.who.caller, call.tenant().id, *id));
  return progress_response(call, 200, work);
}

}  // namespace

void add_revocations(Operations& operations) {
  const std::string all = "/v1/tenants/{tenant}/revocations";
  Operation post{"POST", all, Action::kCertificateBulkRevoke, start, Replay::kAnswer};
  post.max_body_bytes = kMaxBody;
  operations.push_back(std::move(post));
  operations.push_back({"GET", all + "/{revocation}", Action::kCertificateBulkRevoke, get});
}

}  // namespace muster::api
