// SPDX-License-Identifier: Apache-2.0
#include "http/outside_fetch.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "core/unique_fd.h"
#include "http/reasons.h"

namespace muster::http {
namespace {

using Time = std::chrono::steady_clock::time_point;

constexpr std::size_t kMaxHead = 16U << 10;  // octets of status line and headers

Error failed(std::string_view reason, std::string detail = {}) {
  return Error{ErrorCode::kUnavailable, reason, std::move(detail)};
}

struct Target {
  std::string host;
  std::uint16_t port = 80;
  std::string path;
};

Result<Target> parse_url(const std::string& url) {
  const Error invalid{ErrorCode::kInvalidArgument, reasons::kUrlInvalid, url.substr(0, 256)};
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme) || url.size() > 1024) return invalid;
  const bool plain = std::ranges::all_of(url, [](char c) { return c > 0x20 && c < 0x7f && c != '@' && c != '#'; });
  const std::size_t slash = url.find('/', kScheme.size());
  std::string authority = url.substr(kScheme.size(), slash == std::string::npos ? slash : slash - kScheme.size());
  Target target;
  target.path = slash == std::string::npos ? "/" : url.substr(slash);
  if (const std::size_t colon = authority.rfind(':'); colon != std::string::npos) {
    const std::string_view digits = std::string_view(authority).substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), target.port);
    if (error != std::errc() || end != digits.data() + digits.size() || target.port == 0) return invalid;
    authority.resize(colon);
  }
  std::ranges::transform(authority, authority.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  target.host = authority;
  const bool named =
      !authority.empty() && authority.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string::npos;
  if (!plain || !named) return invalid;
  return target;
}

bool is_public_v4(std::uint32_t address) {
  struct Range {
    std::uint32_t start;
    int bits;
  };
  // RFC 6890 and its successors: what is not for the public Internet.
  constexpr Range kOthers[] = {{0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},  {0xA9FE0000, 16},
                               {0xAC100000, 12}, {0xC0000000, 24}, {0xC0000200, 24}, {0xC0586300, 24}, {0xC0A80000, 16},
                               {0xC6120000, 15}, {0xC6336400, 24}, {0xCB007100, 24}, {0xE0000000, 3}};
  return std::ranges::none_of(kOthers, [address](const Range& range) {
    return (address >> (32 - range.bits)) == (range.start >> (32 - range.bits));
  });
}

bool is_public_v6(const in6_addr& address) {
  const std::uint8_t* octets = address.s6_addr;
  const auto head = static_cast<std::uint32_t>(octets[0] << 24 | octets[1] << 16 | octets[2] << 8 | octets[3]);
  const bool global = (octets[0] & 0xE0) == 0x20;  // 2000::/3: mapped, translated and local ones are outside of it
  const bool special = (head >> 9) == (0x20010000U >> 9);  // 2001::/23: Teredo, ORCHID …
  const bool documentation = head == 0x20010DB8U || (head >> 12) == (0x3FFF0000U >> 12);
  const bool six_to_four = (head >> 16) == 0x2002;
  return global && !special && !documentation && !six_to_four;
}

// Waits until `fd` is ready for `events`; false at the deadline.
bool wait_until_ready(int fd, short events, Time deadline) {
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd poller{fd, events, 0};
    const int ready = poll(&poller, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

Result<UniqueFd> connect_to(const OutsideAddress& address, Time deadline) {
  UniqueFd fd{socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd) return failed(reasons::kConnectFailed, std::strerror(errno));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0) return fd;
  if (errno != EINPROGRESS) return failed(reasons::kConnectFailed, std::strerror(errno));
  if (!wait_until_ready(fd.get(), POLLOUT, deadline)) return failed(reasons::kOutsideTimeout);
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return failed(reasons::kConnectFailed, std::strerror(error));
  return fd;
}

Result<void> send_all(int fd, std::string_view text, Time deadline) {
  while (!text.empty()) {
    if (!wait_until_ready(fd, POLLOUT, deadline)) return failed(reasons::kOutsideTimeout);
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (sent <= 0) return failed(reasons::kConnectionLost);
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<std::string> receive_all(int fd, std::size_t most, Time deadline) {
  std::string answer;
  char buffer[16384];
  while (true) {
    if (!wait_until_ready(fd, POLLIN, deadline)) return failed(reasons::kOutsideTimeout);
    const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return failed(reasons::kConnectionLost);
    if (got == 0) return answer;
    answer.append(buffer, static_cast<std::size_t>(got));
    if (answer.size() > most) return failed(reasons::kResponseTooLarge);
  }
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

// The body where the whole of it came; the connection's end is its end (HTTP/1.0).
Result<Bytes> body_of(std::string_view answer) {
  const std::size_t end = answer.substr(0, kMaxHead).find("\r\n\r\n");
  if (end == std::string_view::npos) return failed(reasons::kConnectionLost, "no HTTP answer");
  const std::string head = lower(answer.substr(0, end + 2));
  const std::string_view body = answer.substr(end + 4);
  const bool ok = (head.starts_with("http/1.0 200") || head.starts_with("http/1.1 200")) &&
                  head.find("\r\ntransfer-encoding:") == std::string::npos &&
                  head.find("\r\ncontent-encoding:") == std::string::npos;
  if (!ok) return failed(reasons::kOutsideStatus, head.substr(0, std::min<std::size_t>(head.find('\r'), 64)));
  if (const std::size_t at = head.find("\r\ncontent-length:"); at != std::string::npos) {
    std::string_view digits = std::string_view(head).substr(at + 17);
    digits.remove_prefix(std::min(digits.find_first_not_of(" \t"), digits.size()));
    std::size_t length = 0;
    const auto [last, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc() || *last != '\r' || length != body.size()) {
      return failed(reasons::kConnectionLost, "not the whole answer came");
    }
  }
  return to_bytes(body);
}

Result<Bytes> fetch_from(const OutsideAddress& address, const Target& target, const OutsidePolicy& policy,
                         Time deadline) {
  MUSTER_TRY(const UniqueFd fd, connect_to(address, deadline));
  const std::string host = target.port == 80 ? target.host : target.host + ":" + std::to_string(target.port);
  // HTTP/1.0: no chunks, and the answer ends with the connection.
  MUSTER_TRY_VOID(
      send_all(fd.get(),
               "GET " + target.path + " HTTP/1.0\r\nHost: " + host +
                   "\r\nUser-Agent: muster\r\nAccept: application/pkix-crl, */*\r\nConnection: close\r\n\r\n",
               deadline));
  MUSTER_TRY(const std::string answer, receive_all(fd.get(), policy.max_bytes + kMaxHead, deadline));
  MUSTER_TRY(Bytes body, body_of(answer));
  if (body.size() > policy.max_bytes) return failed(reasons::kResponseTooLarge);
  return body;
}

}  // namespace

bool is_public_address(const OutsideAddress& address) {
  if (address.storage.ss_family == AF_INET) {
    return is_public_v4(ntohl(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_addr.s_addr));
  }
  if (address.storage.ss_family == AF_INET6) {
    return is_public_v6(reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_addr);
  }
  return false;
}

Resolver system_resolver() {
  return [](const std::string& host, std::uint16_t port) {
    std::vector<OutsideAddress> addresses;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return addresses;
    for (const addrinfo* entry = found; entry; entry = entry->ai_next) {
      OutsideAddress& address = addresses.emplace_back();
      address.size = std::min<socklen_t>(entry->ai_addrlen, sizeof address.storage);
      std::memcpy(&address.storage, entry->ai_addr, address.size);
    }
    freeaddrinfo(found);
    return addresses;
  };
}

Result<Bytes> fetch_outside(const std::string& url, const OutsidePolicy& policy, const Resolver& resolve) {
  MUSTER_TRY(const Target target, parse_url(url));
  if (std::ranges::find(policy.allowed_hosts, target.host) == policy.allowed_hosts.end()) {
    return Error{ErrorCode::kPermissionDenied, reasons::kOutsideHost, target.host};
  }
  const auto addresses = resolve(target.host, target.port);
  if (addresses.empty()) return failed(reasons::kConnectFailed, "no address of " + target.host);
  // One address inside is enough to refuse: a name that points at both is somebody's attempt.
  if (!policy.allow_private_addresses && !std::ranges::all_of(addresses, is_public_address)) {
    return Error{ErrorCode::kPermissionDenied, reasons::kOutsideAddress, target.host};
  }
  const Time deadline = std::chrono::steady_clock::now() + policy.time;
  Result<Bytes> answer = failed(reasons::kConnectFailed);
  for (const OutsideAddress& address : addresses) {
    answer = fetch_from(address, target, policy, deadline);
    if (answer.ok() || answer.error().reason != reasons::kConnectFailed) return answer;
  }
  return answer;
}

}  // namespace muster::http
