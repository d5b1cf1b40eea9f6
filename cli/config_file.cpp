// SPDX-License-Identifier: Apache-2.0
#include "cli/config_file.h"

#include <charconv>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "cli/reasons.h"
#include "core/file.h"

namespace muster::cli {
namespace {

constexpr std::size_t kMaxConfigBytes = 1u << 20;

Error invalid(std::string detail) { return Error{ErrorCode::kInvalidArgument, kConfigInvalid, std::move(detail)}; }

void collect_keys(const toml::table& table, const std::string& prefix, std::set<std::string>& out) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const toml::table* inner = node.as_table()) {
      collect_keys(*inner, name + ".", out);
    } else if (const toml::array* list = node.as_array(); list && list->is_array_of_tables()) {
      for (std::size_t i = 0; i < list->size(); ++i) {
        collect_keys(*list->get_as<toml::table>(i), name + "[" + std::to_string(i) + "].", out);
      }
    } else {
      out.insert(name);
    }
  }
}

}  // namespace

struct ConfigFile::State {
  std::string path;
  toml::table root;
  std::set<std::string> asked;
  std::optional<Error> first_fault;

  void fault(const std::string& key, const std::string& what) {
    if (!first_fault) first_fault = invalid(path + ": " + key + " " + what);
  }
  // The value of `key` as T; absent and wrongly typed values are nullopt, the latter with a fault.
  template <typename T>
  std::optional<T> take(const std::string& key, const char* type_name) {
    asked.insert(key);
    const auto node = root.at_path(key);
    if (!node) return std::nullopt;
    std::optional<T> value = node.template value_exact<T>();
    if (!value) fault(key, std::string("must be ") + type_name);
    return value;
  }
  bool present(const std::string& key) const { return static_cast<bool>(root.at_path(key)); }
  std::string absolute(const std::string& text) const {
    if (text.empty()) return text;
    return (std::filesystem::absolute(path).parent_path() / text).lexically_normal().string();
  }
};

ConfigFile::ConfigFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
ConfigFile::ConfigFile(ConfigFile&&) noexcept = default;
ConfigFile::~ConfigFile() = default;

Result<ConfigFile> ConfigFile::load(const std::string& path) {
  MUSTER_TRY(const Bytes content, read_file(path, kMaxConfigBytes));
  const std::string_view text(reinterpret_cast<const char*>(content.data()), content.size());
  toml::parse_result parsed = toml::parse(text, path);
  if (!parsed) {
    std::ostringstream detail;
    detail << path << ":" << parsed.error().source().begin.line << ": " << parsed.error().description();
    return invalid(detail.str());
  }
  auto state = std::make_unique<State>();
  state->path = path;
  state->root = std::move(parsed).table();
  return ConfigFile(std::move(state));
}

void ConfigFile::optional(const std::string& key, std::string& target) {
  if (auto value = state_->take<std::string>(key, "a string in quotation marks")) target = *value;
}

void ConfigFile::required(const std::string& key, std::string& target) {
  optional(key, target);
  if (!state_->present(key)) state_->fault(key, "is missing");
}

void ConfigFile::optional_path(const std::string& key, std::string& target) {
  if (auto value = state_->take<std::string>(key, "a path in quotation marks")) target = state_->absolute(*value);
}

void ConfigFile::required_path(const std::string& key, std::string& target) {
  optional_path(key, target);
  if (!state_->present(key)) state_->fault(key, "is missing");
}

void ConfigFile::optional(const std::string& key, std::int64_t& target, std::int64_t least, std::int64_t most) {
  const auto value = state_->take<std::int64_t>(key, "a whole number");
  if (!value) return;
  target = *value;
  if (*value < least || *value > most) {
    state_->fault(key, "is " + std::to_string(*value) + ", but must be from " + std::to_string(least) + " to " +
                           std::to_string(most));
  }
}

void ConfigFile::optional(const std::string& key, bool& target) {
  if (auto value = state_->take<bool>(key, "true or false")) target = *value;
}

std::size_t ConfigFile::tables(const std::string& key) {
  const auto node = state_->root.at_path(key);
  if (!node) return 0;
  const toml::array* list = node.as_array();
  if (list && list->is_array_of_tables()) return list->size();
  state_->asked.insert(key);
  state_->fault(key, "must be written as [[" + key + "]]");
  return 0;
}

Result<void> ConfigFile::finish() {
  std::set<std::string> present;
  collect_keys(state_->root, "", present);
  for (const std::string& key : present) {
    if (state_->asked.contains(key)) continue;
    return Error{ErrorCode::kInvalidArgument, kConfigUnknownKey,
                 state_->path + ": " + key + " is not a known key; see docs/config/ for the keys that exist"};
  }
  if (state_->first_fault) return *state_->first_fault;
  return {};
}

Result<HostPort> parse_host_port(const std::string& key, const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const Error wrong =
      invalid(key + " is \"" + text + "\", but must be \"address:port\", for example \"127.0.0.1:8443\"");
  if (colon == std::string::npos || colon == 0) return wrong;
  HostPort out{text.substr(0, colon), 0};
  if (out.host.front() == '[' && out.host.back() == ']') out.host = out.host.substr(1, out.host.size() - 2);
  const char* end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data() + colon + 1, end, out.port);
  if (fault != std::errc() || stop != end) return wrong;
  return out;
}

}  // namespace muster::cli
