// SPDX-License-Identifier: Apache-2.0
#include "api/routes.h"
#include "registry/est_settings_store.h"
#include "registry/profile_store.h"

namespace muster::api {
namespace {

bool is_label(std::string_view text) {
  constexpr std::string_view kFirst = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr std::string_view kAll = "abcdefghijklmnopqrstuvwxyz0123456789-";
  return !text.empty() && text.size() <= 31 && kFirst.find(text.front()) != std::string_view::npos &&
         text.find_first_not_of(kAll) == std::string_view::npos;
}

http::Response settings_response(const registry::EstSettings& settings) {
  JsonWriter out;
  out.object([&] {
    out.field("reenroll_after_expiry_seconds", settings.reenroll_after_expiry_seconds)
        .field("serverkeygen", settings.serverkeygen)
        .field("unwrapped", settings.unwrapped);
    out.key("labels").array([&] {
      for (const registry::EstLabel& label : settings.labels) {
        out.object(
            [&] { out.field("name", label.name).field("unwrapped", label.unwrapped).field("profile", label.profile); });
      }
    });
  });
  return http::json_response(200, out.take());
}

Result<http::Response> get(Call& call) {
  MUSTER_TRY(const auto settings, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::get_est_settings(tx, call.tenant().id);
             }));
  return settings_response(settings);
}

Result<registry::EstSettings> read_settings(const Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  registry::EstSettings settings;
  settings.reenroll_after_expiry_seconds = body.optional_integer("reenroll_after_expiry_seconds").value_or(0);
  settings.serverkeygen = body.optional_bool("serverkeygen").value_or(false);
  settings.unwrapped = body.optional_bool("unwrapped").value_or(false);
  const std::int64_t grace = settings.reenroll_after_expiry_seconds;
  if (grace < 0 || grace > registry::kMaxReenrollAfterExpiry) {
    body.fail("reenroll_after_expiry_seconds", "0 to " + std::to_string(registry::kMaxReenrollAfterExpiry));
  }
  std::vector<std::string> names;
  for (JsonReader& item : body.required_objects("labels", registry::kMaxEstLabels)) {
    registry::EstLabel label;
    label.name = item.required_string("name");
    label.unwrapped = item.optional_bool("unwrapped").value_or(false);
    label.profile = item.optional_string("profile").value_or("device");
    if (!is_label(label.name)) item.fail("name", "1 to 31 lower-case letters, digits and '-'");
    if (!registry::is_profile_name(label.profile)) item.fail("profile", "a profile's name");
    if (std::find(names.begin(), names.end(), label.name) != names.end()) item.fail("name", "one label of each name");
    MUSTER_TRY_VOID(item.finish());
    names.push_back(label.name);
    settings.labels.push_back(std::move(label));
  }
  MUSTER_TRY_VOID(body.finish());
  return settings;
}

Result<http::Response> put(Call& call) {
  MUSTER_TRY(const registry::EstSettings settings, read_settings(call));
  MUSTER_TRY_VOID(db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY_VOID(registry::put_est_settings(tx, call.tenant().id, settings));
    auto event = call.event("est.set", "tenant:" + call.tenant().id.text(), call.tenant().name);
    event.detail.emplace_back(registry::AuditField::kDetail,
                              "reenroll_after_expiry_seconds " +
                                  std::to_string(settings.reenroll_after_expiry_seconds) + ", serverkeygen " +
                                  (settings.serverkeygen ? "on" : "off"));
    return append_event(tx, event);
  }));
  return settings_response(settings);
}

}  // namespace

void add_est_settings(Operations& operations) {
  const std::string path = "/v1/tenants/{tenant}/est-settings";
  operations.push_back({"GET", path, Action::kEstRead, get});
  operations.push_back({"PUT", path, Action::kEstWrite, put});
}

}  // namespace muster::api
