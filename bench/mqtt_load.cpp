// SPDX-License-Identifier: Apache-2.0
//
// Purpose: MQTT load over mutual TLS. One thread, one epoll; prints one JSON line with rate, latencies and the
// processor time it used itself, so that a reader sees whether it was the bottleneck.
//
//   mqtt_load publish MANIFEST PORT [--seconds N] [--warm-up N] [--window N] [--payload OCTETS] [--qos 0|1]
//       [--rate MESSAGES/S [--burst N]]
//   mqtt_load connect MANIFEST PORT [--seconds N] [--concurrency N] [--rate CONNECTIONS/S]
//
// MANIFEST has one device a line: client id, certificate file, key file, topic, separated by tabs. With --rate, senders
// are open-loop: a message's latency counts from when it was due, not from when there was room to send it. A sender has
// N messages due at a time, as a device that sends what it gathered. At QoS 0 a PINGREQ follows each window, and its
// answer stands for the window's messages.
#include <arpa/inet.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "bench/mqtt_connection.h"

namespace muster::bench {

namespace {

struct Options {
  std::string mode;
  std::string manifest;
  std::uint16_t port = 0;
  double seconds = 10;
  double warm_up = 1;
  double rate = 0;  // 0: as fast as the window or the concurrency lets
  std::size_t window = 20;
  std::size_t burst = 1;
  std::size_t payload = 128;
  std::size_t concurrency = 16;
  int qos = 1;
};

[[noreturn]] void fail(const std::string& what) {
  std::cerr << "mqtt_load: " << what << '\n';
  std::exit(1);
}

Options parse_options(int argc, char** argv) {
  if (argc < 4 || argc % 2 != 0) {
    fail("usage: mqtt_load publish|connect MANIFEST PORT [--option value]…");
  }
  Options options;
  options.mode = argv[1];
  options.manifest = argv[2];
  options.port = static_cast<std::uint16_t>(std::atoi(argv[3]));
  for (int i = 4; i < argc; i += 2) {
    const std::string_view name = argv[i];
    const double value = std::atof(argv[i + 1]);
    if (name == "--seconds")
      options.seconds = value;
    else if (name == "--warm-up")
      options.warm_up = value;
    else if (name == "--rate")
      options.rate = value;
    else if (name == "--window")
      options.window = static_cast<std::size_t>(value);
    else if (name == "--burst")
      options.burst = static_cast<std::size_t>(value);
    else if (name == "--payload")
      options.payload = static_cast<std::size_t>(value);
    else if (name == "--concurrency")
      options.concurrency = static_cast<std::size_t>(value);
    else if (name == "--qos")
      options.qos = static_cast<int>(value);
    else
      fail("unknown option " + std::string(name));
  }
  if (options.qos == 0 && options.rate > 0) fail("--rate is for QoS 1");
  return options;
}

std::vector<Device> read_manifest(const std::string& path) {
  std::ifstream in(path);
  std::vector<Device> devices;
  for (std::string line; std::getline(in, line);) {
    Device device;
    std::istringstream fields(line);
    std::getline(fields, device.client_id, '\t');
    std::getline(fields, device.certificate_file, '\t');
    std::getline(fields, device.key_file, '\t');
    std::getline(fields, device.topic, '\t');
    devices.push_back(std::move(device));
  }
  if (devices.empty()) {
    fail("no devices in " + path);
  }
  return devices;
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// JSON text of the given size (at least 88 octets), as a device would send: the worker must find something to decode.
std::string make_payload(std::size_t size) {
  std::string payload = R"({"temperature":21.5,"humidity":44,"battery":3.02,"rssi":-71,"uptime":123456,"fill":")";
  payload.resize(std::max(payload.size(), size - std::min<std::size_t>(size, 2)), 'x');
  return payload + "\"}";
}

double percentile_micros(std::deque<double>& sorted, double fraction) {
  if (sorted.empty()) {
    return 0;
  }
  const auto index = static_cast<std::size_t>(fraction * static_cast<double>(sorted.size()));
  return sorted[std::min(sorted.size() - 1, index)] * 1e6;
}

void print_result(std::deque<double>& latencies, double seconds, double own_seconds, std::size_t backlog_first,
                  std::size_t backlog_last) {
  std::sort(latencies.begin(), latencies.end());
  std::printf(
      "{\"count\":%zu,\"seconds\":%.3f,\"rate\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,"
      "\"own_cpu\":%.3f,\"backlog_start\":%zu,\"backlog_end\":%zu}\n",
      latencies.size(), seconds, static_cast<double>(latencies.size()) / seconds, percentile_micros(latencies, 0.5),
      percentile_micros(latencies, 0.99), percentile_micros(latencies, 0.999), own_seconds / seconds, backlog_first,
      backlog_last);
}

class Load {
 public:
  explicit Load(const Options& options) : options_(options), devices_(read_manifest(options.manifest)) {
    broker_.sin_family = AF_INET;
    broker_.sin_port = htons(options.port);
    inet_pton(AF_INET, "127.0.0.1", &broker_.sin_addr);
    for (std::uint32_t i = 0; i < devices_.size(); ++i) {
      connections_.push_back(std::make_unique<Connection>(devices_[i], i));
    }
  }

  void run_publish();
  void run_connect();

 private:
  void poll(int timeout_ms);
  void open_all();
  void send_window(Connection& connection);
  std::size_t send_due(double now);
  std::size_t backlog() const;
  double publish_for(double seconds);

  const Options options_;
  const std::vector<Device> devices_;
  std::vector<std::unique_ptr<Connection>> connections_;
  sockaddr_in broker_{};
  const int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  std::deque<double> latencies_;
  std::vector<std::uint32_t> touched_;
  const std::string payload_ = make_payload(options_.payload);
  double next_due_ = 0;
  std::size_t next_sender_ = 0;
};

void Load::poll(int timeout_ms) {
  epoll_event events[256];
  const int count = epoll_wait(epoll_, events, 256, timeout_ms);
  touched_.clear();
  for (int i = 0; i < count; ++i) {
    connections_[events[i].data.u32]->on_event(events[i].events, latencies_);
    touched_.push_back(events[i].data.u32);
  }
}

void Load::open_all() {
  std::size_t opened = 0;
  std::size_t ready = 0;
  while (ready < connections_.size()) {
    while (opened < connections_.size() && opened - ready < options_.concurrency) {
      connections_[opened++]->open(broker_, epoll_);
    }
    poll(50);
    ready = static_cast<std::size_t>(std::count_if(connections_.begin(), connections_.end(), [](const auto& c) {
      return c->state() == Connection::State::kReady;
    }));
  }
}

void Load::send_window(Connection& connection) {
  const double now = seconds_now();
  const bool at_most_once = options_.qos == 0;
  if (at_most_once && connection.unacknowledged() > 0) return;
  while (connection.unacknowledged() < options_.window) {
    at_most_once ? connection.publish_at_most_once(payload_, now) : connection.publish(payload_, now);
  }
  if (at_most_once) connection.ping();
  connection.flush();
}

std::size_t Load::send_due(double now) {
  std::size_t sent = 0;
  for (; next_due_ <= now; next_due_ += static_cast<double>(options_.burst) / options_.rate, sent += options_.burst) {
    Connection& connection = *connections_[next_sender_++ % connections_.size()];
    for (std::size_t i = 0; i < options_.burst; ++i) {
      connection.publish(payload_, next_due_);
    }
    connection.flush();
  }
  return sent;
}

std::size_t Load::backlog() const {
  std::size_t total = 0;
  for (const auto& connection : connections_) {
    total += connection->unacknowledged();
  }
  return total;
}

// Sends for `seconds` and returns how long it took.
double Load::publish_for(double seconds) {
  const double start = seconds_now();
  double now = start;
  for (next_due_ = start; now < start + seconds; now = seconds_now()) {
    if (options_.rate > 0) {
      send_due(now);
      // Rounded up: whoever polls without waiting takes the processor from those it measures.
      poll(std::max(0, static_cast<int>(std::ceil((next_due_ - seconds_now()) * 1000))));
      continue;
    }
    poll(50);
    for (const std::uint32_t index : touched_) {
      send_window(*connections_[index]);
    }
  }
  return now - start;
}

void Load::run_publish() {
  open_all();
  if (options_.rate == 0) {
    for (const auto& connection : connections_) {
      send_window(*connection);
    }
  }
  publish_for(options_.warm_up);
  latencies_.clear();
  const std::size_t first = backlog();
  const double used = processor_seconds();
  const double took = publish_for(options_.seconds);
  const double own = processor_seconds() - used;
  print_result(latencies_, took, own, first, backlog());
}

void Load::run_connect() {
  std::deque<double> times;
  std::size_t open = 0;
  std::deque<std::uint32_t> closed;
  for (std::uint32_t i = 0; i < connections_.size(); ++i) {
    closed.push_back(i);
  }
  const double start = seconds_now();
  const double used = processor_seconds();
  double due = start;
  while (seconds_now() < start + options_.seconds) {
    while (open < options_.concurrency && !closed.empty() && (options_.rate == 0 || due <= seconds_now())) {
      connections_[closed.front()]->open(broker_, epoll_);
      closed.pop_front();
      ++open;
      due += options_.rate > 0 ? 1 / options_.rate : 0;
    }
    poll(options_.rate > 0 ? 1 : 50);
    for (const std::uint32_t index : touched_) {
      if (connections_[index]->state() == Connection::State::kReady) {
        times.push_back(seconds_now() - connections_[index]->opened_at());
        connections_[index]->close();
        closed.push_back(index);
        --open;
      }
    }
  }
  print_result(times, seconds_now() - start, processor_seconds() - used, 0, open);
}

}  // namespace

}  // namespace muster::bench

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  const muster::bench::Options options = muster::bench::parse_options(argc, argv);
  muster::bench::Load load(options);
  if (options.mode == "publish") {
    load.run_publish();
  } else if (options.mode == "connect") {
    load.run_connect();
  } else {
    muster::bench::fail("unknown mode " + options.mode);
  }
  return 0;
}
