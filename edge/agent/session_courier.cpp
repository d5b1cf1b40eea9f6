// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/session_courier.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "edge/agent/backoff.h"
#include "edge/trusted_file.h"

namespace muster::edge {
namespace {

using Json = nlohmann::json;

// The server allows forty requests a second; what comes meanwhile goes together.
constexpr std::chrono::milliseconds kBetweenRequests{30};
constexpr int kLookAgainMilliseconds = 250;  // also until a folder is there that was not

Json report_of(const SessionNewsEntry& entry) {
  return {{"tenant_id", entry.tenant_id.text()},
          {"device_id", entry.device_id.text()},
          {"command", to_uuid_text(entry.subject)}};
}

Json claim_of(const IncarnationId& incarnation, const SessionNewsEntry& entry, std::int64_t now) {
  return {{"incarnation", incarnation.text()},
          {"tenant_id", entry.tenant_id.text()},
          {"device_id", entry.device_id.text()},
          {"connection", to_uuid_text(entry.subject)},
          {"age_ms", std::max<std::int64_t>(0, (now - entry.began) / 1'000'000)}};
}

bool is_final(int status) { return status / 100 == 2 || status == 400 || status == 413; }

}  // namespace

SessionCourier::SessionCourier(std::vector<std::string> folders, http::Client client, MetricsRegistry& metrics)
    : folders_(std::move(folders)),
      client_(std::move(client)),
      inotify_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      told_(metrics.counter("muster_edge_sessions_told_total", "Sessions that the server was told of")),
      failures_(
          metrics.counter("muster_edge_session_failures_total", "Times that the server took no news of sessions")) {}

void SessionCourier::run(std::stop_token stop) {
  const std::stop_callback cancel{stop, [this] { client_.cancel(); }};
  Backoff backoff{std::chrono::milliseconds{200}, std::chrono::seconds{5}};
  while (!stop.stop_requested()) {
    watch();
    if (!step()) {
      failures_.add();
      if (!backoff.wait(stop)) return;
      continue;
    }
    backoff.reset();
    wait_for_news(stop);
    if (!wait_or_stop(stop, kBetweenRequests)) return;
  }
}

void SessionCourier::watch() const {
  for (const std::string& folder : folders_) {
    // A folder that is not there yet is found by the next turn.
    [[maybe_unused]] const int ignored = inotify_add_watch(inotify_.get(), folder.c_str(), IN_MOVED_TO | IN_ONLYDIR);
  }
}

void SessionCourier::wait_for_news(std::stop_token stop) const {
  const auto is_there = [](const std::string& folder) { return !list_news(folder, 1).empty(); };
  while (!stop.stop_requested() && !std::ranges::any_of(folders_, is_there)) {
    pollfd event{inotify_.get(), POLLIN, 0};
    poll(&event, 1, kLookAgainMilliseconds);
    alignas(inotify_event) char buffer[4096];
    while (read(inotify_.get(), buffer, sizeof buffer) > 0) {
    }
    watch();
  }
}

SessionCourier::Load SessionCourier::collect() {
  Load load;
  for (const std::string& folder : folders_) {
    for (const std::string& path : list_news(folder, kMaxWaitingNews)) {
      const auto file = read_foreign_file(path, kMaxNewsBytes);
      const auto news = file.ok() ? decode_news(*file) : Result<SessionNews>{file.error()};
      if (!news.ok()) {
        log_.warning("not news of sessions", {{"file", path}, {"reason", news.error().reason}});
        unlink(path.c_str());
        continue;
      }
      if (!load.entries.empty() && load.entries.size() + news->entries.size() > kMaxNewsEntries) return load;
      load.paths.push_back(path);
      for (const auto& entry : news->entries) load.entries.emplace_back(news->incarnation, entry);
    }
  }
  return load;
}

bool SessionCourier::step() {
  const Load load = collect();
  return load.paths.empty() || deliver(load);
}

bool SessionCourier::deliver(const Load& load) {
  Json sessions = Json::array();
  Json sent = Json::array();
  Json answered = Json::array();
  const std::int64_t now = boottime_now().count();
  for (const auto& [incarnation, entry] : load.entries) {
    switch (entry.kind) {
      case SessionNewsKind::kBegan: sessions.push_back(claim_of(incarnation, entry, now)); break;
      case SessionNewsKind::kSent: sent.push_back(report_of(entry)); break;
      case SessionNewsKind::kAnswered: answered.push_back(report_of(entry)); break;
    }
  }
  http::ClientRequest request;
  request.method = "POST";
  request.target = "/v1/edge/sessions";
  const std::size_t claims = sessions.size();
  request.body =
      Json{{"sessions", std::move(sessions)}, {"sent", std::move(sent)}, {"answered", std::move(answered)}}.dump();
  const auto answer = client_.send(request);
  if (!answer.ok() || !is_final(answer->status)) return false;
  if (answer->status / 100 == 2) {
    told_.add(claims);
  } else {
    log_.error("the server refused news of sessions", {{"status", answer->status}});
  }
  for (const std::string& path : load.paths) unlink(path.c_str());
  return true;
}

}  // namespace muster::edge
