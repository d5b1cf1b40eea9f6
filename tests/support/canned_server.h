// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "core/unique_fd.h"

namespace muster::test_support {

// Answers every connection with the same octets and counts them.
class CannedServer {
 public:
  explicit CannedServer(std::string answer) : answer_(std::move(answer)) {
    listener_ = UniqueFd{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener_.get(), reinterpret_cast<sockaddr*>(&any), sizeof any);
    listen(listener_.get(), 8);
    socklen_t size = sizeof any;
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&any), &size);
    port_ = ntohs(any.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~CannedServer() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }
  std::string url(const std::string& host) const { return "http://" + host + ":" + std::to_string(port_) + "/crl"; }

 private:
  void serve() {
    while (true) {
      const UniqueFd client{accept(listener_.get(), nullptr, nullptr)};
      if (!client) return;
      ++connections_;
      char request[4096];
      if (recv(client.get(), request, sizeof request, 0) <= 0) continue;
      if (!answer_.empty()) {
        send(client.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
        shutdown(client.get(), SHUT_WR);
      }
      while (recv(client.get(), request, sizeof request, 0) > 0) {
      }
    }
  }
  const std::string answer_;
  UniqueFd listener_;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::thread thread_;
};

}  // namespace muster::test_support
