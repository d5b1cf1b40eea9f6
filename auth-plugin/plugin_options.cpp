// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/plugin_options.h"

#include <charconv>
#include <limits>
#include <map>

namespace muster::auth_plugin {
namespace {

Error invalid(std::string_view key, std::string_view what) {
  return Error{ErrorCode::kInvalidArgument, "config.plugin_option_invalid",
               "plugin_opt_" + std::string(key) + " " + std::string(what)};
}

class OptionReader {
 public:
  explicit OptionReader(std::span<const std::pair<std::string_view, std::string_view>> options) {
    for (const auto& [key, value] : options) values_[std::string(key)] = std::string(value);
  }

  Result<std::string> required(const std::string& key) {
    std::string value = optional(key);
    if (value.empty()) return invalid(key, "is missing");
    return value;
  }

  std::string optional(const std::string& key) {
    const auto node = values_.extract(key);
    return node.empty() ? std::string() : node.mapped();
  }

  Result<void> number(const std::string& key, std::uint64_t& into) {
    const std::string text = optional(key);
    if (text.empty()) return {};
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), into);
    if (failure != std::errc() || end != text.data() + text.size() || into == 0) {
      return invalid(key, "must be a positive whole number");
    }
    return {};
  }

  Result<void> count(const std::string& key, std::size_t& into) {
    std::uint64_t value = into;
    MUSTER_TRY_VOID(number(key, value));
    into = static_cast<std::size_t>(value);
    return {};
  }

  Result<void> limits(const std::string& prefix, LimitScope scope, Limits& into) {
    for (const LimitField& field : limit_fields()) {
      const bool of_scope = scope == LimitScope::kDevice ? field.of_device : field.of_tenant;
      if (!of_scope) continue;
      const std::string key = prefix + std::string(field.name);
      std::uint64_t value = 0;
      MUSTER_TRY_VOID(number(key, value));
      if (value == 0) continue;
      if (value > field.most) return invalid(key, "is too large");
      into.*(field.member) = static_cast<std::uint32_t>(value);
    }
    const auto checked = check_limits(into, scope);
    if (!checked.ok()) return invalid(prefix + checked.error().detail, "has no rate beside it");
    return {};
  }

  Result<void> seconds(const std::string& key, std::chrono::milliseconds& into) {
    std::uint64_t value = static_cast<std::uint64_t>(into.count()) / 1000;
    MUSTER_TRY_VOID(number(key, value));
    if (value > 3600) return invalid(key, "must be at most 3600");
    into = std::chrono::seconds(value);
    return {};
  }

  // A user by number: names are looked up in files and networks that a broker should not wait for.
  Result<void> user(const std::string& key, std::uint32_t& into) {
    std::uint64_t value = 0;
    MUSTER_TRY_VOID(number(key, value));
    if (value >= std::numeric_limits<std::uint32_t>::max()) return invalid(key, "is not the number of a user");
    if (value != 0) into = static_cast<std::uint32_t>(value);
    return {};
  }

  Result<void> nothing_left() const {
    if (!values_.empty()) return invalid(values_.begin()->first, "is not known");
    return {};
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace

Result<PluginOptions> PluginOptions::parse(std::span<const std::pair<std::string_view, std::string_view>> options) {
  OptionReader reader(options);
  MUSTER_TRY(const std::string domain, reader.required("trust_domain"));
  auto trust_domain = TrustDomain::parse(domain);
  if (!trust_domain.ok()) return invalid("trust_domain", "is not a lower-case DNS name");
  PluginOptions result{{}, std::move(trust_domain).value(), {}, {}, {}, {}, {}, {}, {}};
  MUSTER_TRY(result.broker_config, reader.required("broker_config"));
  MUSTER_TRY(result.snapshot.folder, reader.required("snapshot_folder"));
  MUSTER_TRY(result.snapshot.state_file, reader.required("state_file"));
  MUSTER_TRY(result.wal.folder, reader.required("wal_folder"));
  MUSTER_TRY(result.heartbeat_key_file, reader.required("heartbeat_key_file"));
  result.metrics_file = reader.optional("metrics_file");
  result.server_name_suffix = reader.optional("server_name_suffix");
  if (!result.server_name_suffix.empty() && !TrustDomain::parse(result.server_name_suffix).ok()) {
    return invalid("server_name_suffix", "is not a lower-case DNS name");
  }
  MUSTER_TRY_VOID(reader.number("max_snapshot_age_seconds", result.snapshot.max_age_seconds));
  MUSTER_TRY_VOID(reader.user("edge_uid", result.snapshot.edge_uid));
  MUSTER_TRY_VOID(reader.number("wal_segment_bytes", result.wal.segment_bytes));
  MUSTER_TRY_VOID(reader.number("wal_max_bytes", result.wal.max_bytes));
  MUSTER_TRY_VOID(reader.number("wal_min_free_bytes", result.wal.min_free_bytes));
  MUSTER_TRY_VOID(reader.count("max_handshakes", result.handshakes.pending));
  result.handshakes.pending_of_address = (result.handshakes.pending + 1) / 2;
  MUSTER_TRY_VOID(reader.count("max_handshakes_of_address", result.handshakes.pending_of_address));
  MUSTER_TRY_VOID(reader.seconds("handshake_idle_seconds", result.handshakes.idle_time));
  MUSTER_TRY_VOID(reader.seconds("handshake_seconds", result.handshakes.whole_time));
  MUSTER_TRY_VOID(reader.limits("tenant_", LimitScope::kTenant, result.limits.total));
  MUSTER_TRY_VOID(reader.limits("device_", LimitScope::kDevice, result.limits.device));
  MUSTER_TRY_VOID(reader.nothing_left());
  return result;
}

}  // namespace muster::auth_plugin
