// SPDX-License-Identifier: Apache-2.0
//
// Purpose: TCP ports for servers that tests start. Prefer port 0 where the server can tell which port it got: between
// this call and the server's bind another process may take the port.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>

namespace muster::test_support {

// free_port returns a port of 127.0.0.1 that nobody listened on a moment ago.
inline std::uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (fd >= 0) {
    close(fd);
  }
  if (!bound) {
    throw std::runtime_error("no free TCP port on 127.0.0.1");
  }
  return ntohs(address.sin_port);
}

}  // namespace muster::test_support
