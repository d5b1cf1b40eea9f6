// SPDX-License-Identifier: Apache-2.0
#include "ingest/worker.h"

#include <memory>
#include <thread>
#include <vector>

#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/metrics_page.h"
#include "cli/output.h"
#include "cli/program_signals.h"
#include "core/log.h"
#include "ingest/postgres/postgres_log.h"
#include "ingest/retention.h"

namespace muster::cli {
namespace {

constexpr std::int64_t kMostConsumers = 64;
constexpr std::int64_t kMostRetentionHours = 10 * 366 * 24;

struct WorkerFile {
  ingest::WorkerConfig worker;
  std::int64_t consumers = 2;  // while one waits for the log's commit, another decodes
  ingest::PostgresLogConfig log;
  ingest::RetentionConfig retention;
  std::string metrics_listen;  // empty: no metrics page
};

// Hours that the records of a stream are kept; 0: for ever.
void read_retention(ConfigFile& file, ingest::RetentionConfig& retention) {
  const auto hours = [&file](const char* key, std::chrono::hours& keep) {
    std::int64_t value = keep.count();
    file.optional(key, value, 0, kMostRetentionHours);
    keep = std::chrono::hours{value};
  };
  hours("retention_hours.raw", retention.raw);
  hours("retention_hours.normalized", retention.normalized);
  hours("retention_hours.dead_letters", retention.dead_letters);
  hours("retention_hours.lifecycle", retention.lifecycle);
}

Result<WorkerFile> load(const std::string& path) {
  MUSTER_TRY(ConfigFile file, ConfigFile::load(path));
  WorkerFile out;
  auto batch_records = static_cast<std::int64_t>(out.worker.batch_records);
  file.optional("group", out.worker.group);
  file.optional("metrics_listen", out.metrics_listen);
  file.optional("consumers", out.consumers, 1, kMostConsumers);
  file.optional("batch_records", batch_records, 1, static_cast<std::int64_t>(ingest::kMaxAppendEntries));
  file.required("log.database_url", out.log.database_url);
  read_retention(file, out.retention);
  MUSTER_TRY_VOID(file.finish());
  out.worker.batch_records = static_cast<std::size_t>(batch_records);
  out.retention.group = out.worker.group;
  return out;
}

Result<std::vector<std::unique_ptr<ingest::Worker>>> make_workers(const WorkerFile& config, ingest::Log& log,
                                                                  MetricsRegistry& metrics) {
  std::vector<std::unique_ptr<ingest::Worker>> workers;
  for (std::int64_t i = 0; i < config.consumers; ++i) {
    MUSTER_TRY(auto worker, ingest::Worker::create(config.worker, log, metrics));
    workers.push_back(std::move(worker));
  }
  return workers;
}

int run_worker(const WorkerFile& config, bool check_only) {
  MetricsRegistry metrics;
  const auto log = ingest::PostgresLog::create(config.log);
  if (!log.ok()) return complain(log.error());
  const auto workers = make_workers(config, **log, metrics);
  if (!workers.ok()) return complain(workers.error());
  if (check_only) {
    say("the configuration is good");
    return 0;
  }
  const ProgramSignals signals;
  std::unique_ptr<http::Listener> page;
  if (!config.metrics_listen.empty()) {
    auto opened = open_metrics_page(config.metrics_listen, metrics);
    if (!opened.ok()) return complain(opened.error());
    page = std::move(opened).value();
  }
  Log("worker").info("worker started", {{"group", config.worker.group}});
  std::vector<std::jthread> consuming;
  for (const auto& worker : *workers) consuming.emplace_back([&worker](std::stop_token stop) { worker->run(stop); });
  ingest::RetentionKeeper keeper(config.retention, **log, metrics);
  std::jthread keeping([&](std::stop_token stop) { keeper.run(stop); });
  signals.wait();
  keeping.request_stop();
  for (auto& consumer : consuming) consumer.request_stop();
  consuming.clear();  // joins
  Log("worker").info("worker stopped");
  if (page) page->stop();
  return 0;
}

}  // namespace

void declare_worker(Command& root) {
  struct WorkerOptions {
    std::string config;
    bool check_only = false;
  };
  auto options = std::make_shared<WorkerOptions>();
  Command command = root.add_command("worker", "turn raw records into normalised ones");
  command.required("--config", options->config, "TOML file, see docs/config/worker.toml");
  command.flag("--check-config", options->check_only, "check the file and end");
  command.run([options] {
    const auto config = load(options->config);
    return config.ok() ? run_worker(*config, options->check_only) : complain(config.error());
  });
}

}  // namespace muster::cli
