// SPDX-License-Identifier: Apache-2.0
//
// Purpose: reads request bodies: strict RFC 8259 (UTF-8, no byte order mark, at most kMaxJsonDepth levels), then fields
// by name and type. A repeated name counts as its last value (RFC 8259 §4 leaves that open). What nobody asked for is
// refused by finish(), so a misspelt field never passes in silence.
//
//   MUSTER_TRY(JsonReader body, JsonReader::parse(text));
//   const std::string name = body.required_string("name");
//   MUSTER_TRY_VOID(body.finish());
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/result.h"

namespace muster::api {

inline constexpr std::size_t kMaxJsonDepth = 64;

// JsonReader reads one object. The first fault is kept and returned by finish(); reads after it give empty values.
class JsonReader {
 public:
  // Reasons: request.json_malformed, request.field_invalid (the text is JSON but not an object).
  static Result<JsonReader> parse(std::string_view text);

  std::string required_string(const std::string& name);
  std::optional<std::string> optional_string(const std::string& name);
  // Outer: was it sent; inner: empty for null.
  std::optional<std::optional<std::string>> nullable_string(const std::string& name);
  std::optional<bool> optional_bool(const std::string& name);
  std::optional<std::int64_t> optional_integer(const std::string& name);
  std::int64_t required_integer(const std::string& name);
  // A string, or a number or boolean as it is written in JSON; "" where it is null or absent.
  std::string optional_scalar(const std::string& name);
  std::optional<std::vector<std::string>> optional_strings(const std::string& name, std::size_t max_count);
  std::optional<std::vector<std::pair<std::string, std::string>>> optional_string_map(const std::string& name,
                                                                                      std::size_t max_count);
  std::optional<JsonReader> optional_object(const std::string& name);
  std::vector<JsonReader> required_objects(const std::string& name, std::size_t max_count);

  // For a fault that the caller finds in a value.
  void fail(const std::string& name, const std::string& expected);
  // Reasons: request.field_invalid, request.field_unknown; the detail names the field.
  Result<void> finish() const;
  // The same where fields that nobody asked for are let pass. Reason: request.field_invalid.
  Result<void> finish_loosely() const;

 private:
  JsonReader(std::shared_ptr<const nlohmann::json> document, const nlohmann::json* object)
      : document_(std::move(document)), object_(object) {}
  const nlohmann::json* find(const std::string& name);

  std::shared_ptr<const nlohmann::json> document_;
  const nlohmann::json* object_;  // in *document_
  std::set<std::string, std::less<>> asked_;
  std::optional<Error> fault_;
};

}  // namespace muster::api
