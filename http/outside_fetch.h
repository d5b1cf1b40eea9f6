// SPDX-License-Identifier: Apache-2.0
//
// Purpose: fetches one document by plain HTTP from a host that somebody outside named, without becoming their way into
// the network behind us: only hosts on a list, only public addresses unless configured, the address that was checked is
// the one that is connected to, no redirects, and limits on size and time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/bytes.h"
#include "core/result.h"

namespace muster::http {

struct OutsidePolicy {
  std::vector<std::string> allowed_hosts;  // as they stand in URLs, lower case; empty: nothing is fetched
  bool allow_private_addresses = false;    // also loopback, link-local, shared and documentation ranges
  std::size_t max_bytes = 16U << 20;       // of the body
  std::chrono::milliseconds time{20'000};  // for everything after the name was looked up
};

struct OutsideAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};
using Resolver = std::function<std::vector<OutsideAddress>(const std::string& host, std::uint16_t port)>;
Resolver system_resolver();

// True for addresses that are routed in the public Internet.
bool is_public_address(const OutsideAddress& address);

// fetch_outside returns the body of a 200 answer to GET `url` ("http://host[:port]/path"). Reasons: http.url_invalid,
// outside.host_not_allowed, outside.address_refused (one of the host's addresses is not public), http.connect_failed,
// outside.timeout, outside.status (also a redirect), http.connection_lost, http.response_too_large.
Result<Bytes> fetch_outside(const std::string& url, const OutsidePolicy& policy,
                            const Resolver& resolve = system_resolver());

}  // namespace muster::http
