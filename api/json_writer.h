// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/encoding.h"

namespace muster::api {

// JsonWriter appends compact JSON in the order it is told; commas are its business. Text is made valid UTF-8.
//
//   JsonWriter out;
//   out.object([&] { out.field("id", id).field("lines", 3); });
class JsonWriter {
 public:
  template <typename Body>
  JsonWriter& object(Body&& body) {
    return enclose('{', '}', body);
  }
  template <typename Body>
  JsonWriter& array(Body&& body) {
    return enclose('[', ']', body);
  }
  JsonWriter& key(std::string_view name) {
    separate();
    append_json_string(text_, name);
    text_.push_back(':');
    first_ = true;
    return *this;
  }
  JsonWriter& value(std::string_view text) {
    separate();
    append_json_string(text_, text);
    return *this;
  }
  JsonWriter& value(const char* text) { return value(std::string_view{text}); }
  JsonWriter& value(const std::string& text) { return value(std::string_view{text}); }
  template <std::integral T>
  JsonWriter& value(T number) {
    separate();
    if constexpr (std::is_same_v<T, bool>) {
      text_.append(number ? "true" : "false");
    } else {
      text_.append(std::to_string(number));
    }
    return *this;
  }
  JsonWriter& null() { return raw("null"); }
  // `json` is JSON already.
  JsonWriter& raw(std::string_view json) {
    separate();
    text_.append(json);
    return *this;
  }
  template <typename T>
  JsonWriter& field(std::string_view name, const T& content) {
    return key(name).value(content);
  }
  // null where `text` is empty.
  JsonWriter& nullable(std::string_view name, std::string_view text) {
    key(name);
    return text.empty() ? null() : value(text);
  }
  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  void separate() {
    if (!first_) text_.push_back(',');
    first_ = false;
  }
  template <typename Body>
  JsonWriter& enclose(char open, char close, Body& body) {
    separate();
    text_.push_back(open);
    first_ = true;
    body();
    text_.push_back(close);
    first_ = false;
    return *this;
  }
  std::string text_;
  bool first_ = true;
};

}  // namespace muster::api
