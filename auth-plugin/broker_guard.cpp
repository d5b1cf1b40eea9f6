// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/broker_guard.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

#include "core/file.h"

namespace muster::auth_plugin {
namespace {

constexpr std::size_t kMaxConfigSize = 1 << 20;

struct Setting {
  std::string key;
  std::string value;
  int line = 0;
};

// One listener with the settings that stand in its section; line 0: settings before the first `listener`.
struct Listener {
  Setting opening;
  std::map<std::string, Setting> settings;
};

Error unsafe(int line, const std::string& sentence) {
  const std::string place = line > 0 ? "line " + std::to_string(line) + ": " : "";
  return Error{ErrorCode::kFailedPrecondition, "broker_config.unsafe", place + sentence};
}

std::vector<Setting> read_settings(std::string_view text) {
  std::vector<Setting> settings;
  int number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    constexpr std::string_view kSpace = " \t\r\v\f";
    const std::size_t first = line.find_first_not_of(kSpace);
    if (first == std::string_view::npos || line[first] == '#') continue;
    line.remove_prefix(first);
    line = line.substr(0, line.find_last_not_of(kSpace) + 1);
    const std::size_t key_end = std::min(line.find_first_of(kSpace), line.size());
    const std::size_t value_at = std::min(line.find_first_not_of(kSpace, key_end), line.size());
    settings.push_back({std::string(line.substr(0, key_end)), std::string(line.substr(value_at)), number});
  }
  return settings;
}

bool is_true(std::string_view value) { return value == "true" || value == "1"; }
bool is_false(std::string_view value) { return value == "false" || value == "0"; }

// Settings that may not appear at all, or not with the value true.
struct Forbidden {
  std::string_view key;
  bool only_if_true;
  std::string_view why;
};
constexpr Forbidden kForbidden[] = {
    {"per_listener_settings", true, "must be false: with it the broker never wakes the plugin"},
    {"use_identity_as_username", true, "must be removed: with it the broker does not ask the plugin at CONNECT"},
    {"use_subject_as_username", true, "must be removed: with it the broker does not ask the plugin at CONNECT"},
    {"use_username_as_clientid", true, "must be removed: the client identifier is the device's principal"},
    {"allow_anonymous", true, "must be false: only the plugin lets devices in"},
    {"persistence", true, "must be false: sessions and retained messages read back from disk carry no device id"},
    {"password_file", false, "must be removed: only the plugin lets devices in"},
    {"acl_file", false, "must be removed: only the plugin decides about topics"},
    {"psk_file", false, "must be removed: devices prove themselves by certificate"},
    {"psk_hint", false, "must be removed: devices prove themselves by certificate"},
    {"include_dir", false, "must be removed: settings in other files cannot be checked"},
    {"connection", false, "must be removed: a bridge is not asked for its rights"},
    {"mount_point", false, "must be removed: it hides the topic that the policy speaks of"},
    {"auth_plugin", false, "must be removed: another plugin could let devices in first"},
};

Result<void> check_forbidden(const std::vector<Setting>& settings) {
  int plugins = 0;
  for (const Setting& setting : settings) {
    for (const Forbidden& rule : kForbidden) {
      if (setting.key != rule.key || (rule.only_if_true && is_false(setting.value))) continue;
      return unsafe(setting.line, setting.key + " " + std::string(rule.why));
    }
    if (setting.key == "plugin" && ++plugins > 1) {
      return unsafe(setting.line, "plugin must stand once: another plugin could let devices in first");
    }
  }
  return {};
}

std::optional<Setting> last_of(const std::vector<Setting>& settings, std::string_view key) {
  std::optional<Setting> found;
  for (const Setting& setting : settings) {
    if (setting.key == key) found = setting;
  }
  return found;
}

Result<void> require_boolean(const std::vector<Setting>& settings, std::string_view key, bool wanted,
                             std::string_view why) {
  const auto setting = last_of(settings, key);
  if (setting && (wanted ? is_true(setting->value) : is_false(setting->value))) return {};
  const std::string fix = std::string(key) + (wanted ? " true" : " false");
  return unsafe(setting ? setting->line : 0, "set `" + fix + "`: " + std::string(why));
}

Result<void> require_limit(const std::vector<Setting>& settings, std::string_view key, std::string_view why) {
  const auto setting = last_of(settings, key);
  if (setting && std::atoll(setting->value.c_str()) > 0) return {};
  return unsafe(setting ? setting->line : 0,
                "set `" + std::string(key) + "` to a positive number: " + std::string(why));
}

Result<void> check_global(const std::vector<Setting>& settings) {
  MUSTER_TRY_VOID(require_boolean(settings, "set_tcp_nodelay", true, "without it a TLS 1.3 connect takes 45 ms"));
  MUSTER_TRY_VOID(require_boolean(settings, "allow_zero_length_clientid", false,
                                  "the client identifier is the device's principal"));
  MUSTER_TRY_VOID(require_boolean(settings, "check_retain_source", true,
                                  "otherwise retained messages outlive their sender's rights"));
  MUSTER_TRY_VOID(require_limit(settings, "max_packet_size", "the broker's own limit is 256 MiB a packet"));
  MUSTER_TRY_VOID(require_limit(settings, "message_size_limit", "the broker's own limit is 256 MiB a message"));
  const auto queued = last_of(settings, "max_queued_messages");
  if (queued && std::atoll(queued->value.c_str()) <= 0) {
    return unsafe(queued->line, "max_queued_messages must be positive: a slow reader may not fill the memory");
  }
  const auto expiration = last_of(settings, "persistent_client_expiration");
  if (!expiration || std::atoll(expiration->value.c_str()) <= 0) {
    return unsafe(expiration ? expiration->line : 0,
                  "set `persistent_client_expiration`, for example 7d: sessions of MQTT 3.1.1 never end without it");
  }
  return {};
}

std::vector<Listener> split_listeners(const std::vector<Setting>& settings) {
  std::vector<Listener> listeners(1);  // the first takes what stands before any `listener`
  for (const Setting& setting : settings) {
    if (setting.key == "listener") {
      listeners.push_back({setting, {}});
    } else {
      listeners.back().settings[setting.key] = setting;
    }
  }
  return listeners;
}

Result<void> check_listener(const Listener& listener) {
  const int line = listener.opening.line;
  const auto value = [&](const char* key) {
    const auto found = listener.settings.find(key);
    return found == listener.settings.end() ? std::string() : found->second.value;
  };
  if (const std::string protocol = value("protocol"); !protocol.empty() && protocol != "mqtt") {
    return unsafe(line, "this listener must be `protocol mqtt`: websockets have a TLS context of their own");
  }
  if (listener.opening.value.find('/') != std::string::npos) {
    return unsafe(line, "this listener is a Unix socket: devices prove themselves over TLS");
  }
  if (value("certfile").empty() || value("keyfile").empty()) {
    return unsafe(line, "this listener needs certfile and keyfile: there is no access without TLS");
  }
  if (!is_true(value("require_certificate"))) return unsafe(line, "this listener needs `require_certificate true`");
  if (value("cafile").empty() && value("capath").empty()) return unsafe(line, "this listener needs a cafile");
  if (const std::string version = value("tls_version"); version != "tlsv1.2" && version != "tlsv1.3") {
    return unsafe(line, "this listener needs `tls_version tlsv1.2` or tlsv1.3: the broker would take TLS 1.1");
  }
  if (const std::string qos = value("max_qos"); qos != "1" && qos != "0") {
    return unsafe(line,
                  "this listener needs `max_qos 1`: the broker shows no packet id, so QoS 2 cannot be exactly once");
  }
  return {};
}

Result<void> check_listeners(const std::vector<Setting>& settings) {
  const std::vector<Listener> listeners = split_listeners(settings);
  for (const char* key : {"port", "bind_address"}) {
    if (const auto setting = last_of(settings, key)) {
      return unsafe(setting->line, std::string(key) + " opens the default listener; use `listener` instead");
    }
  }
  if (listeners.size() == 1) return unsafe(0, "there is no `listener`: the broker would open a plain one on port 1883");
  for (std::size_t i = 1; i < listeners.size(); ++i) MUSTER_TRY_VOID(check_listener(listeners[i]));
  return {};
}

std::string canonical(const std::string& path) {
  std::error_code ignored;
  const auto resolved = std::filesystem::weakly_canonical(path, ignored);
  return ignored ? path : resolved.string();
}

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::vector<std::string> arguments;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    arguments.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return arguments;
}

}  // namespace

Result<void> check_broker_config(std::string_view text) {
  const std::vector<Setting> settings = read_settings(text);
  MUSTER_TRY_VOID(check_forbidden(settings));
  MUSTER_TRY_VOID(check_global(settings));
  return check_listeners(settings);
}

Result<void> check_broker_command_line(std::span<const std::string> arguments, const std::string& config_path) {
  std::string used;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i] == "-p" || arguments[i] == "--port") {
      return unsafe(0, "the broker was started with `-p`, which opens a plain listener: use `listener` in its file");
    }
    const bool names_file = arguments[i] == "-c" || arguments[i] == "--config-file";
    if (names_file && i + 1 < arguments.size()) used = arguments[i + 1];
  }
  if (used.empty() || canonical(used) != canonical(config_path)) {
    return unsafe(0, "plugin_opt_broker_config must name the file that the broker was started with (`-c`)");
  }
  return {};
}

Result<void> check_running_broker(const std::string& config_path) {
  MUSTER_TRY_VOID(check_broker_command_line(own_arguments(), config_path));
  const auto content = read_file(config_path, kMaxConfigSize);
  if (!content.ok()) return Error{ErrorCode::kFailedPrecondition, "broker_config.unreadable", content.error().detail};
  return check_broker_config(as_text(content.value()));
}

}  // namespace muster::auth_plugin
