// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the two ends of bench/ocsp. `serve PORT FILE`: httplib as it is packaged, answering every POST with the
// octets of FILE. `load PORT FILE SECONDS CONNECTIONS`: kept connections that send the request in FILE (a whole HTTP
// message) again and again from one thread; prints {"answers":…,"seconds":…,"cpu_seconds":…}.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <httplib.h>

namespace {

std::string read_file(const char* path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>(file), {}};
}

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

int serve(int port, const std::string& answer) {
  httplib::Server server;
  server.new_task_queue = [] { return new httplib::ThreadPool(40); };  // a thread a connection, as it needs
  server.set_keep_alive_max_count(1'000'000'000);
  server.set_tcp_nodelay(true);
  server.Post("/ocsp", [&](const httplib::Request&, httplib::Response& response) {
    response.set_content(answer, "application/ocsp-response");
  });
  return server.listen("127.0.0.1", port) ? 0 : 1;
}

struct Connection {
  int fd = -1;
  std::string buffer;
};

int open_connection(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// Octets of the first whole answer in `buffer`, 0 where it is not whole yet. Anything but 200 ends the program.
std::size_t answer_size(const std::string& buffer) {
  const std::size_t end = buffer.find("\r\n\r\n");
  if (end == std::string::npos) return 0;
  if (buffer.compare(0, 12, "HTTP/1.1 200") != 0) {
    std::fprintf(stderr, "unexpected answer: %.80s\n", buffer.c_str());
    std::exit(1);
  }
  std::size_t length = 0;
  for (const char* name : {"content-length: ", "Content-Length: "}) {
    const std::size_t at = buffer.find(name);
    if (at < end) length = std::strtoul(buffer.c_str() + at + std::strlen(name), nullptr, 10);
  }
  const std::size_t whole = end + 4 + length;
  return buffer.size() >= whole ? whole : 0;
}

void send_request(int fd, const std::string& request) {
  if (write(fd, request.data(), request.size()) != static_cast<ssize_t>(request.size())) fail("write");
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

int load(int port, const std::string& request, double seconds, int count) {
  const int poll = epoll_create1(0);
  std::vector<Connection> connections(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < connections.size(); ++i) {
    connections[i].fd = open_connection(port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].fd, &event);
    send_request(connections[i].fd, request);
  }
  const auto start = std::chrono::steady_clock::now();
  const auto spent = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  std::size_t answers = 0;
  std::vector<char> octets(65'536);
  std::vector<epoll_event> events(64);
  while (spent() < seconds) {
    const int ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 1000);
    for (int i = 0; i < ready; ++i) {
      Connection& connection = connections[events[static_cast<std::size_t>(i)].data.u64];
      const ssize_t got = read(connection.fd, octets.data(), octets.size());
      if (got <= 0) fail("read");
      connection.buffer.append(octets.data(), static_cast<std::size_t>(got));
      const std::size_t whole = answer_size(connection.buffer);
      if (whole == 0) continue;
      connection.buffer.erase(0, whole);
      ++answers;
      send_request(connection.fd, request);
    }
  }
  std::printf("{\"answers\":%zu,\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n", answers, spent(), cpu_seconds());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "serve" && argc == 4) return serve(std::atoi(argv[2]), read_file(argv[3]));
  if (mode == "load" && argc == 6) {
    return load(std::atoi(argv[2]), read_file(argv[3]), std::atof(argv[4]), std::atoi(argv[5]));
  }
  std::fprintf(stderr, "usage: ocsp_bench serve PORT FILE | load PORT FILE SECONDS CONNECTIONS\n");
  return 2;
}
