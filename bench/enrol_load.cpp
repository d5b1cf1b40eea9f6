// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the load of bench/single. `PORT CA_FILE MANIFEST REQUESTS SECONDS`: for each line "path<TAB>certificate<TAB>
// key" of MANIFEST one kept mTLS connection with a thread of its own, which posts lines of REQUESTS (JSON bodies) to
// the path, one after the other, each once. Prints {"answers":…,"seconds":…,"cpu_seconds":…}; anything but 201 ends it.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "enrol_load: %s\n", what.c_str());
  std::exit(1);
}

std::vector<std::string> lines_of(const char* path) {
  std::ifstream file{path};
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// Client is one connection. Confined to its thread.
class Client {
 public:
  Client(int port, const char* ca_file, const std::string& line) {
    std::istringstream fields{line};
    std::string certificate, key;
    std::getline(fields, path_, '\t');
    std::getline(fields, certificate, '\t');
    std::getline(fields, key, '\t');
    context_ = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    const bool loaded = SSL_CTX_load_verify_locations(context_, ca_file, nullptr) == 1 &&
                        SSL_CTX_use_certificate_chain_file(context_, certificate.c_str()) == 1 &&
                        SSL_CTX_use_PrivateKey_file(context_, key.c_str(), SSL_FILETYPE_PEM) == 1;
    if (!loaded) fail("credentials of " + path_);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    tls_ = SSL_new(context_);
    SSL_set_fd(tls_, fd);
    if (SSL_connect(tls_) != 1) fail("TLS handshake of " + path_);
  }
  ~Client() {
    SSL_free(tls_);
    SSL_CTX_free(context_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void post(const std::string& body) {
    const std::string request = "POST " + path_ + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" +
                                "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    if (SSL_write(tls_, request.data(), static_cast<int>(request.size())) <= 0) fail("write");
    std::string answer;
    std::size_t whole = 0;
    while (whole == 0 || answer.size() < whole) {
      char octets[16'384];
      const int got = SSL_read(tls_, octets, sizeof octets);
      if (got <= 0) fail("read, after " + answer.substr(0, 200));
      answer.append(octets, static_cast<std::size_t>(got));
      if (whole == 0) whole = size_of(answer);
    }
    if (answer.compare(0, 12, "HTTP/1.1 201") != 0) fail(answer.substr(0, 600));
  }

 private:
  // Of the whole answer, 0 while its head is not there.
  static std::size_t size_of(const std::string& answer) {
    const std::size_t end = answer.find("\r\n\r\n");
    if (end == std::string::npos) return 0;
    for (const char* name : {"content-length: ", "Content-Length: "}) {
      const std::size_t at = answer.find(name);
      if (at < end) return end + 4 + std::strtoul(answer.c_str() + at + 16, nullptr, 10);
    }
    fail("no length in " + answer.substr(0, 200));
  }

  std::string path_;
  SSL_CTX* context_ = nullptr;
  SSL* tls_ = nullptr;
};

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) fail("usage: enrol_load PORT CA_FILE MANIFEST REQUESTS SECONDS");
  const auto manifest = lines_of(argv[3]);
  const auto requests = lines_of(argv[4]);
  const double seconds = std::strtod(argv[5], nullptr);
  std::vector<std::unique_ptr<Client>> clients;
  for (const std::string& line : manifest) {
    clients.push_back(std::make_unique<Client>(std::atoi(argv[1]), argv[2], line));
  }
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> answers{0};
  const double before = cpu_seconds();
  const auto start = std::chrono::steady_clock::now();
  const auto spent = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  {
    std::vector<std::jthread> threads;
    for (auto& client : clients) {
      threads.emplace_back([&, mine = client.get()] {
        while (spent() < seconds) {
          const std::size_t request = next++;
          if (request >= requests.size()) return;
          mine->post(requests[request]);
          ++answers;
        }
      });
    }
  }
  std::printf("{\"answers\":%zu,\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n", answers.load(), spent(),
              cpu_seconds() - before);
  return 0;
}
