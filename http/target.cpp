// SPDX-License-Identifier: Apache-2.0
#include "http/target.h"

#include <algorithm>

#include "core/encoding.h"
#include "http/reasons.h"

namespace muster::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Error invalid_target(std::string detail) {
  return {ErrorCode::kInvalidArgument, reasons::kTargetInvalid, std::move(detail)};
}

Error invalid_query(std::string detail) {
  return {ErrorCode::kInvalidArgument, reasons::kQueryInvalid, std::move(detail)};
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

Result<std::vector<std::string>> parse_path(std::string_view path) {
  std::vector<std::string> segments;
  path.remove_prefix(1);
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    MUSTER_TRY(std::string segment, percent_decode(path.substr(0, end)));
    if (segment.empty()) return invalid_target("the path has an empty segment");
    if (segment.find('/') != std::string::npos) return invalid_target("a path segment holds an encoded slash");
    segments.push_back(std::move(segment));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return segments;
}

Result<void> parse_query(std::string_view query, Target& target) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    std::string pair{query.substr(0, end)};
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    std::replace(pair.begin(), pair.end(), '+', ' ');
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view view{pair};
    auto key = percent_decode(view.substr(0, equals));
    auto value = percent_decode(view.substr(std::min(equals + 1, pair.size())));
    if (!key.ok() || !value.ok() || key->empty()) return invalid_query("the query is not well-formed");
    if (!target.query.emplace(*key, *value).second) return invalid_query("a query key comes twice: " + *key);
  }
  return {};
}

}  // namespace

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return invalid_target("a percent sign is not followed by two hexadecimal digits");
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  if (has_control(out)) return invalid_target("the target holds a control character");
  if (!is_utf8(out)) return invalid_target("the target is not UTF-8");
  return out;
}

Result<Target> parse_target(std::string_view text, std::string_view opaque_prefix) {
  if (text.empty() || text.front() != '/') return invalid_target("the target does not start with a slash");
  if (text.find('#') != std::string_view::npos) return invalid_target("the target holds a fragment");
  const std::size_t question = text.find('?');
  Target target;
  std::string_view path = text.substr(0, question);
  std::string_view opaque;
  if (!opaque_prefix.empty() && path.size() > opaque_prefix.size() && path.starts_with(opaque_prefix)) {
    opaque = path.substr(opaque_prefix.size());
    path = opaque_prefix;
  }
  MUSTER_TRY(target.segments, parse_path(path));
  if (!opaque.empty()) {
    MUSTER_TRY(std::string whole, percent_decode(opaque));
    target.segments.push_back(std::move(whole));
  }
  if (question != std::string_view::npos) MUSTER_TRY_VOID(parse_query(text.substr(question + 1), target));
  return target;
}

}  // namespace muster::http
