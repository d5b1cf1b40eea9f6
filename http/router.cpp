// SPDX-License-Identifier: Apache-2.0
#include "http/router.h"

#include <set>
#include <utility>

namespace muster::http {
namespace {

bool is_parameter(const std::string& segment) { return segment.size() > 2 && segment.front() == '{'; }

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  if (pattern.size() != segments.size()) return false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (!is_parameter(pattern[i]) && pattern[i] != segments[i]) return false;
  }
  return true;
}

// Whether `a` is the better fit: at the first difference it has the literal segment.
bool more_literal(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (is_parameter(a[i]) != is_parameter(b[i])) return is_parameter(b[i]);
  }
  return false;
}

std::vector<std::string> split(std::string_view pattern) {
  std::vector<std::string> segments;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);
    const std::size_t end = std::min(pattern.find('/'), pattern.size());
    if (end > 0) segments.emplace_back(pattern.substr(0, end));
    pattern.remove_prefix(end);
  }
  return segments;
}

}  // namespace

void Router::add(Route route) {
  patterns_.push_back({split(route.pattern)});
  routes_.push_back(std::move(route));
}

Router::Match Router::match(std::string_view method, const std::vector<std::string>& segments) const {
  const std::vector<std::string>* best = nullptr;
  for (const Pattern& pattern : patterns_) {
    if (fits(pattern.segments, segments) && (best == nullptr || more_literal(pattern.segments, *best))) {
      best = &pattern.segments;
    }
  }
  Match match;
  if (best == nullptr) return match;
  std::set<std::string> methods;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    if (patterns_[i].segments != *best) continue;
    methods.insert(routes_[i].method);
    const bool head = method == "HEAD" && routes_[i].method == "GET";
    if (routes_[i].method == "GET") methods.insert("HEAD");
    if (routes_[i].method == method || head) match.route = &routes_[i];
  }
  for (const std::string& name : methods) match.allow.append(match.allow.empty() ? "" : ", ").append(name);
  for (std::size_t i = 0; i < best->size(); ++i) {
    const std::string& segment = (*best)[i];
    if (is_parameter(segment)) match.parameters.emplace(segment.substr(1, segment.size() - 2), segments[i]);
  }
  return match;
}

}  // namespace muster::http
