// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the worker's rate on a pre-loaded log: poll, decode, produce and commit, per second of its own CPU time.
//
//   worker_bench load DATABASE_URL RECORDS     appends JSON telemetry of 200 octets to `raw` (an edge's role)
//   worker_bench run DATABASE_URL GROUP        consumes all of it as a fresh group; one JSON line
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "core/metrics.h"
#include "core/record.h"
#include "ingest/postgres/postgres_log.h"
#include "ingest/worker.h"

namespace muster::bench {
namespace {

using ingest::PostgresLog;

constexpr std::size_t kDevices = 1000;
constexpr std::size_t kBatch = 5000;

[[noreturn]] void fail(const Error& error) {
  std::cerr << "worker_bench: " << error.reason << ": " << error.detail << '\n';
  std::exit(1);
}

template <typename T>
T must(Result<T> result) {
  if (!result.ok()) fail(result.error());
  return std::move(result).value();
}

std::unique_ptr<PostgresLog> open_log(const std::string& url) {
  return must(PostgresLog::create(ingest::PostgresLogConfig{.database_url = url}));
}

// Flat and nested telemetry as devices send it, padded to exactly 200 octets.
std::string telemetry(std::size_t number) {
  std::string text =
      R"({"temperature":)" + std::to_string(20 + number % 10) + ".25,\"humidity\":" + std::to_string(number % 100) +
      R"(,"battery":{"voltage":3.02,"charge":71},"pressure":1013.2,)" +
      R"("vibration":{"x":0.013,"y":0.021,"z":-0.98},"rpm":)" + std::to_string(1400 + number % 50) + R"(,"state":")";
  text.resize(198, 'r');
  return text + "\"}";
}

struct Sender {
  DeviceId device = DeviceId::random();
  ConnectionId connection = ConnectionId::random();
  std::string name;
  std::string key;
  std::string topic;
};

std::vector<Sender> make_senders() {
  std::vector<Sender> senders(kDevices);
  for (std::size_t i = 0; i < senders.size(); ++i) {
    senders[i].name = "device-" + std::to_string(i);
    senders[i].key = "bench/" + senders[i].name;
    senders[i].topic = senders[i].key + "/telemetry/readings";
  }
  return senders;
}

Bytes encode(const Sender& sender, const TenantId& tenant, const IncarnationId& incarnation, std::uint64_t sequence) {
  const std::string payload = telemetry(sequence);
  RecordView record;
  record.qos = 1;
  record.incarnation = incarnation;
  record.sequence = sequence;
  record.tenant_id = tenant;
  record.device_id = sender.device;
  record.connection_id = sender.connection;
  record.receive_time =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  record.connection_start = record.receive_time;
  record.tenant = "bench";
  record.device = sender.name;
  record.topic = sender.topic;
  record.payload = BytesView(reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size());
  Bytes encoded;
  const Result<void> appended = append_record(encoded, record);
  if (!appended.ok()) fail(appended.error());
  return encoded;
}

void load(const std::string& url, std::size_t count) {
  const auto log = open_log(url);
  const auto appender = log->open_appender();
  const std::vector<Sender> senders = make_senders();
  const TenantId tenant = TenantId::random();
  const IncarnationId incarnation = IncarnationId::random();
  for (std::size_t done = 0; done < count;) {
    std::vector<Bytes> records;
    std::vector<ingest::AppendEntry> entries;
    records.reserve(kBatch);
    for (; entries.size() < kBatch && done < count; ++done) {
      const Sender& sender = senders[done % senders.size()];
      records.push_back(encode(sender, tenant, incarnation, done + 1));
      entries.push_back({.stream = ingest::Stream::kRaw, .key = sender.key, .record = records.back()});
    }
    must(appender->append(incarnation, entries));
  }
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void run(const std::string& url, const std::string& group) {
  const auto log = open_log(url);
  MetricsRegistry metrics;
  ingest::WorkerConfig config;
  config.group = group;
  config.poll_wait = std::chrono::milliseconds(500);
  const auto worker = must(ingest::Worker::create(config, *log, metrics));
  const double used = processor_seconds();
  const auto start = std::chrono::steady_clock::now();
  auto last = start;
  while (must(worker->step())) {
    last = std::chrono::steady_clock::now();
  }
  const double wall = std::chrono::duration<double>(last - start).count();
  const double cpu = processor_seconds() - used;
  const auto total = [&metrics](const char* name) {
    return static_cast<unsigned long long>(metrics.counter(name, "").value());
  };
  std::printf("{\"records\":%llu,\"dead_letters\":%llu,\"commits\":%llu,\"wall_seconds\":%.3f,\"cpu_seconds\":%.3f}\n",
              total("muster_worker_records_total"), total("muster_worker_dead_letters_total"),
              total("muster_worker_commits_total"), wall, cpu);
}

}  // namespace
}  // namespace muster::bench

int main(int argc, char** argv) {
  const std::string mode = argc == 4 ? argv[1] : "";
  if (mode == "load") {
    muster::bench::load(argv[2], static_cast<std::size_t>(std::atoll(argv[3])));
  } else if (mode == "run") {
    muster::bench::run(argv[2], argv[3]);
  } else {
    std::cerr << "usage: worker_bench load DATABASE_URL RECORDS | run DATABASE_URL GROUP\n";
    return 2;
  }
  return 0;
}
