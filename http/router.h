// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace muster::http {

using Handler = std::function<Response(const Request&)>;
// Looks at a request before a body of more than a few KiB is read: an answer here ends it.
using Admission = std::function<std::optional<Response>(const Request&)>;

struct Route {
  std::string method;
  std::string pattern;  // "/v1/tenants/{tenant}"; a parameter is one whole segment
  Handler handler;
  std::size_t max_body_bytes = 1u << 20;
  BodyStorage storage = BodyStorage::kMemory;
  Admission admit;  // may be empty
};

// Router finds a route by whole segments; a literal one wins over a parameter. HEAD is answered by GET's route.
// Immutable once the listener runs.
class Router {
 public:
  void add(Route route);

  struct Match {
    const Route* route = nullptr;  // null: see `allow`
    std::string allow;             // methods of the path, "GET, HEAD, POST"; empty: the path is unknown
    std::map<std::string, std::string, std::less<>> parameters;
  };
  Match match(std::string_view method, const std::vector<std::string>& segments) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Pattern {
    std::vector<std::string> segments;
  };
  std::vector<Route> routes_;
  std::vector<Pattern> patterns_;  // one for each route
};

}  // namespace muster::http
