// SPDX-License-Identifier: Apache-2.0
#include "api/json_reader.h"

#include <nlohmann/json.hpp>

#include "api/reasons.h"

namespace muster::api {
namespace {

using nlohmann::json;

Error malformed(std::string detail) {
  return {ErrorCode::kInvalidArgument, reasons::kJsonMalformed, std::move(detail)};
}

Error invalid(const std::string& name, const std::string& expected) {
  return {ErrorCode::kInvalidArgument, reasons::kFieldInvalid, "\"" + name + "\": expected " + expected};
}

// Counted before parsing, so that a hostile body costs no memory for its levels.
bool nests_too_deeply(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxJsonDepth) return true;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

bool holds_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

}  // namespace

Result<JsonReader> JsonReader::parse(std::string_view text) {
  // nlohmann skips a byte order mark and takes a NUL octet for the end of the text.
  if (text.rfind("\xEF\xBB\xBF", 0) == 0) return malformed("the body starts with a byte order mark");
  if (text.find('\0') != std::string_view::npos) return malformed("the body holds a NUL octet");
  if (nests_too_deeply(text)) return malformed("the body nests more than " + std::to_string(kMaxJsonDepth) + " levels");
  auto document = std::make_shared<json>(json::parse(text, nullptr, /*allow_exceptions=*/false));
  if (document->is_discarded()) return malformed("the body is not JSON");
  if (!document->is_object()) return invalid("", "a JSON object");
  const json* object = document.get();
  return JsonReader{std::move(document), object};
}

const json* JsonReader::find(const std::string& name) {
  asked_.insert(name);
  const auto found = object_->find(name);
  return found == object_->end() ? nullptr : &*found;
}

void JsonReader::fail(const std::string& name, const std::string& expected) {
  if (!fault_) fault_ = invalid(name, expected);
}

std::string JsonReader::required_string(const std::string& name) {
  auto value = optional_string(name);
  if (!value) fail(name, "a string");
  return value.value_or("");
}

std::optional<std::string> JsonReader::optional_string(const std::string& name) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string() || holds_nul(value->get_ref<const std::string&>())) {
    return fail(name, "a string without NUL"), std::nullopt;
  }
  return value->get<std::string>();
}

std::optional<std::optional<std::string>> JsonReader::nullable_string(const std::string& name) {
  const json* value = find(name);
  if (value != nullptr && value->is_null()) return std::optional<std::string>{};
  auto text = optional_string(name);
  if (!text) return std::nullopt;
  return text;
}

std::optional<bool> JsonReader::optional_bool(const std::string& name) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) return fail(name, "true or false"), std::nullopt;
  return value->get<bool>();
}

std::optional<std::int64_t> JsonReader::optional_integer(const std::string& name) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  const bool fits = value->is_number_integer() &&
                    (!value->is_number_unsigned() || value->get<std::uint64_t>() <= std::uint64_t{INT64_MAX});
  if (!fits) return fail(name, "an integer"), std::nullopt;
  return value->get<std::int64_t>();
}

std::int64_t JsonReader::required_integer(const std::string& name) {
  const auto value = optional_integer(name);
  if (!value) fail(name, "an integer");
  return value.value_or(0);
}

std::string JsonReader::optional_scalar(const std::string& name) {
  const json* value = find(name);
  if (value == nullptr || value->is_null()) return "";
  if (value->is_string()) return optional_string(name).value_or("");
  if (!value->is_number() && !value->is_boolean()) return fail(name, "a string, a number or a boolean"), "";
  return value->dump();
}

std::optional<std::vector<std::string>> JsonReader::optional_strings(const std::string& name, std::size_t max_count) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  const std::string expected = "a list of at most " + std::to_string(max_count) + " strings";
  if (!value->is_array() || value->size() > max_count) return fail(name, expected), std::nullopt;
  std::vector<std::string> out;
  for (const json& item : *value) {
    if (!item.is_string() || holds_nul(item.get_ref<const std::string&>())) return fail(name, expected), std::nullopt;
    out.push_back(item.get<std::string>());
  }
  return out;
}

std::optional<std::vector<std::pair<std::string, std::string>>> JsonReader::optional_string_map(const std::string& name,
                                                                                                std::size_t max_count) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  const std::string expected = "an object of at most " + std::to_string(max_count) + " strings";
  if (!value->is_object() || value->size() > max_count) return fail(name, expected), std::nullopt;
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [key, item] : value->items()) {
    if (!item.is_string() || holds_nul(key) || holds_nul(item.get_ref<const std::string&>())) {
      return fail(name, expected), std::nullopt;
    }
    out.emplace_back(key, item.get<std::string>());
  }
  return out;
}

std::optional<JsonReader> JsonReader::optional_object(const std::string& name) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) return fail(name, "an object"), std::nullopt;
  return JsonReader{document_, value};
}

std::vector<JsonReader> JsonReader::required_objects(const std::string& name, std::size_t max_count) {
  const json* value = find(name);
  const std::string expected = "a list of at most " + std::to_string(max_count) + " objects";
  std::vector<JsonReader> out;
  if (value == nullptr || !value->is_array() || value->size() > max_count) return fail(name, expected), out;
  for (const json& item : *value) {
    if (!item.is_object()) return fail(name, expected), out;
    out.push_back(JsonReader{document_, &item});
  }
  return out;
}

Result<void> JsonReader::finish() const {
  // An unknown field first: it usually explains why another one is missing.
  for (const auto& [key, value] : object_->items()) {
    if (asked_.find(key) == asked_.end()) {
      return Error{ErrorCode::kInvalidArgument, reasons::kFieldUnknown, "\"" + key.substr(0, 64) + "\""};
    }
  }
  return finish_loosely();
}

Result<void> JsonReader::finish_loosely() const {
  if (fault_) return *fault_;
  return {};
}

}  // namespace muster::api
