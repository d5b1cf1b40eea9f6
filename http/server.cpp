// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "core/log.h"
#include "http/connection.h"
#include "http/reasons.h"
#include "http/tls_context.h"

namespace muster::http {
namespace {

constexpr int kBacklog = 1'024;
constexpr std::chrono::milliseconds kSweepInterval{250};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

Result<SocketAddress> parse_address(const std::string& text, std::uint16_t port) {
  SocketAddress address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.length = sizeof(sockaddr_in);
    return address;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.length = sizeof(sockaddr_in6);
    return address;
  }
  return Error{ErrorCode::kInvalidArgument, reasons::kListenFailed, "not a numeric address: " + text};
}

std::string address_text(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(storage).sin_addr, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr, text, sizeof text);
  }
  return text;
}

bool is_loopback(const std::string& address) { return address.rfind("127.", 0) == 0 || address == "::1"; }

// The usual soft limit of 1,024 descriptors is less than the connections that are served.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, 65'536);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Result<UniqueFd> open_socket(const ListenerConfig& config) {
  MUSTER_TRY(const SocketAddress address, parse_address(config.address, config.port));
  UniqueFd socket_fd{socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  const int on = 1;
  const bool listening =
      socket_fd && setsockopt(socket_fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      bind(socket_fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) == 0 &&
      listen(socket_fd.get(), kBacklog) == 0;
  if (listening) return socket_fd;
  return Error{ErrorCode::kUnavailable, reasons::kListenFailed,
               config.address + ":" + std::to_string(config.port) + ": " + std::strerror(errno)};
}

// The thread that waits for sockets (`poller_`) hands ready connections to the workers. A connection is parked (armed
// in epoll, in `parked_`) or owned by one worker; epoll's one-shot mode keeps it from being both.
class EpollListener final : public Listener {
 public:
  EpollListener(ListenerConfig config, Router router, MetricsRegistry& metrics, UniqueFd socket,
                std::unique_ptr<TlsContext> tls);
  ~EpollListener() override { stop(); }

  void start() override;
  void stop() override;
  std::uint16_t port() const override;
  const Router& router() const override { return router_; }

 private:
  struct Ready {
    std::unique_ptr<Connection> connection;
    bool expired = false;
  };
  struct Source {
    std::size_t connections = 0;
    std::size_t busy = 0;
    std::deque<Ready> waiting;  // ready, but its address occupies its share of the threads
  };

  void poll_loop();
  void accept_all();
  void accept_one(UniqueFd socket, const std::string& remote);
  void on_ready(int fd);
  void sweep();
  void work_loop();
  void enqueue(Ready ready);  // with mutex_ held
  void park(std::unique_ptr<Connection> connection, Wait wait);
  void release_turn(const std::string& address);  // with mutex_ held
  void forget(const std::string& address);        // with mutex_ held
  void watch_listening_socket(bool on);

  const ListenerConfig config_;
  const Router router_;
  const std::unique_ptr<TlsContext> tls_;
  UniqueFd listening_;
  UniqueFd epoll_;
  UniqueFd wake_;
  Counter& accepted_;
  Counter& refused_;
  Gauge& open_;

  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable work_available_;
  std::unordered_map<int, std::unique_ptr<Connection>> parked_;  // guarded by mutex_
  std::map<std::string, Source> sources_;                        // guarded by mutex_
  std::deque<Ready> queue_;                                      // guarded by mutex_
  std::size_t connections_ = 0;                                  // guarded by mutex_
  bool accepting_ = true;                                        // confined to the poller
  std::thread poller_;
  std::vector<std::thread> workers_;
};

EpollListener::EpollListener(ListenerConfig config, Router router, MetricsRegistry& metrics, UniqueFd socket,
                             std::unique_ptr<TlsContext> tls)
    : config_(std::move(config)),
      router_(std::move(router)),
      tls_(std::move(tls)),
      listening_(std::move(socket)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      accepted_(metrics.counter("muster_http_connections_total", "Connections accepted", {{"listener", config_.name}})),
      refused_(metrics.counter("muster_http_connections_refused_total", "Connections closed at once, over a limit",
                               {{"listener", config_.name}})),
      open_(metrics.gauge("muster_http_connections_open", "Connections now open", {{"listener", config_.name}})) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_.get();
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
  event.data.fd = listening_.get();
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listening_.get(), &event);
}

void EpollListener::start() {
  poller_ = std::thread{[this] { poll_loop(); }};
  for (std::size_t i = 0; i < config_.threads; ++i) workers_.emplace_back([this] { work_loop(); });
}

void EpollListener::stop() {
  if (stopping_.exchange(true)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
  if (poller_.joinable()) poller_.join();
  {
    const std::lock_guard lock{mutex_};
    work_available_.notify_all();
  }
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
  const std::lock_guard lock{mutex_};
  queue_.clear();
  parked_.clear();
  sources_.clear();
  listening_.reset();
}

std::uint16_t EpollListener::port() const {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(listening_.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) return 0;
  if (storage.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  return ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
}

void EpollListener::poll_loop() {
  epoll_event events[128];
  auto next_sweep = std::chrono::steady_clock::now() + kSweepInterval;
  while (!stopping_) {
    const int count = epoll_wait(epoll_.get(), events, 128, static_cast<int>(kSweepInterval.count()));
    for (int i = 0; i < count && !stopping_; ++i) {
      if (events[i].data.fd == listening_.get()) {
        accept_all();
      } else if (events[i].data.fd != wake_.get()) {
        on_ready(events[i].data.fd);
      }
    }
    if (std::chrono::steady_clock::now() < next_sweep) continue;
    sweep();
    next_sweep = std::chrono::steady_clock::now() + kSweepInterval;
  }
}

void EpollListener::watch_listening_socket(bool on) {
  epoll_event event{};
  event.events = on ? static_cast<std::uint32_t>(EPOLLIN) : 0U;
  event.data.fd = listening_.get();
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listening_.get(), &event);
  accepting_ = on;
}

void EpollListener::accept_all() {
  while (true) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    UniqueFd socket_fd{
        accept4(listening_.get(), reinterpret_cast<sockaddr*>(&storage), &length, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!socket_fd) {
      // Without descriptors the socket would stay readable and this thread would spin: it looks again at the next
      // sweep.
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) watch_listening_socket(false);
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;
    }
    const int on = 1;
    setsockopt(socket_fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    accept_one(std::move(socket_fd), address_text(storage));
  }
}

void EpollListener::accept_one(UniqueFd socket, const std::string& remote) {
  const std::lock_guard lock{mutex_};
  Source& source = sources_[remote];
  if (connections_ >= config_.max_connections || source.connections >= config_.max_connections_per_address) {
    refused_.add();
    if (source.connections == 0) sources_.erase(remote);
    return;
  }
  accepted_.add();
  ++connections_;
  ++source.connections;
  open_.set(static_cast<double>(connections_));
  const int fd = socket.get();
  parked_.emplace(fd, std::make_unique<Connection>(std::move(socket), remote, config_, router_,
                                                   tls_ == nullptr ? nullptr : tls_->get()));
  epoll_event event{};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.fd = fd;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void EpollListener::on_ready(int fd) {
  const std::lock_guard lock{mutex_};
  const auto found = parked_.find(fd);
  if (found == parked_.end()) return;
  Ready ready{std::move(found->second), false};
  parked_.erase(found);
  enqueue(std::move(ready));
}

void EpollListener::sweep() {
  if (!accepting_) watch_listening_socket(true);
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock{mutex_};
  for (auto it = parked_.begin(); it != parked_.end();) {
    if (it->second->deadline() > now) {
      ++it;
      continue;
    }
    // Disarmed first: an event that is on its way finds nothing in parked_.
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, it->first, nullptr);
    Ready ready{std::move(it->second), true};
    it = parked_.erase(it);
    enqueue(std::move(ready));
  }
}

void EpollListener::enqueue(Ready ready) {
  Source& source = sources_[ready.connection->remote_address()];
  if (source.busy >= config_.max_busy_per_address && !is_loopback(ready.connection->remote_address())) {
    source.waiting.push_back(std::move(ready));
    return;
  }
  ++source.busy;
  queue_.push_back(std::move(ready));
  work_available_.notify_one();
}

void EpollListener::release_turn(const std::string& address) {
  Source& source = sources_[address];
  --source.busy;
  if (source.waiting.empty()) return;
  Ready next = std::move(source.waiting.front());
  source.waiting.pop_front();
  enqueue(std::move(next));
}

void EpollListener::forget(const std::string& address) {
  --connections_;
  open_.set(static_cast<double>(connections_));
  const auto source = sources_.find(address);
  if (source != sources_.end() && --source->second.connections == 0) sources_.erase(source);
}

void EpollListener::work_loop() {
  while (true) {
    Ready ready;
    {
      std::unique_lock lock{mutex_};
      work_available_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      ready = std::move(queue_.front());
      queue_.pop_front();
    }
    const std::string address = ready.connection->remote_address();
    Wait wait = Wait::kClose;
    if (ready.expired) {
      ready.connection->expire();
    } else {
      wait = ready.connection->drive();
    }
    if (wait == Wait::kClose) {
      ready.connection.reset();  // outside the lock: closing may take a moment
      const std::lock_guard lock{mutex_};
      release_turn(address);
      forget(address);
    } else {
      park(std::move(ready.connection), wait);
    }
  }
}

void EpollListener::park(std::unique_ptr<Connection> connection, Wait wait) {
  const int fd = connection->fd();
  const std::lock_guard lock{mutex_};
  release_turn(connection->remote_address());
  parked_.insert_or_assign(fd, std::move(connection));
  epoll_event event{};
  event.events = (wait == Wait::kWritable ? EPOLLOUT : EPOLLIN) | EPOLLONESHOT;
  event.data.fd = fd;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::create(ListenerConfig config, Router router, MetricsRegistry& metrics) {
  // OpenSSL writes with write(2): a peer that is gone would otherwise end the process.
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  std::unique_ptr<TlsContext> tls;
  if (config.tls) {
    MUSTER_TRY(tls, TlsContext::create(*config.tls));
  }
  MUSTER_TRY(UniqueFd socket, open_socket(config));
  return std::unique_ptr<Listener>{std::make_unique<EpollListener>(std::move(config), std::move(router), metrics,
                                                                   std::move(socket), std::move(tls))};
}

}  // namespace muster::http
