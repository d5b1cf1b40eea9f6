// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/registration_courier.h"

#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>

#include "core/encoding.h"
#include "edge/agent/backoff.h"
#include "edge/registration_report.h"
#include "edge/trusted_file.h"

namespace muster::edge {
namespace {

using Json = nlohmann::json;

std::string body_of(const RegistrationReport& report) {
  Json chain = Json::array();
  for (const Bytes& der : report.chain) chain.push_back(to_base64(der));
  return Json{{"tenant_id", report.tenant_id.text()}, {"anchor_id", report.anchor_id.text()}, {"chain", chain}}.dump();
}

// Answers after which the same report would be judged the same way.
bool is_final(int status) { return status == 200 || status == 400 || status == 404 || status == 413; }

}  // namespace

RegistrationCourier::RegistrationCourier(std::string folder, http::Client client, MetricsRegistry& metrics)
    : folder_(std::move(folder)),
      client_(std::move(client)),
      registered_(metrics.counter("muster_edge_devices_registered_total", "Devices registered by what brokers saw")),
      refused_(metrics.counter("muster_edge_registrations_refused_total", "Reports that the server refused")) {}

void RegistrationCourier::run(std::stop_token stop) {
  const std::stop_callback cancel{stop, [this] { client_.cancel(); }};
  Backoff backoff{std::chrono::milliseconds{500}, std::chrono::seconds{30}};
  std::mutex mutex;
  std::condition_variable_any never;
  while (!stop.stop_requested()) {
    if (!step()) {
      if (!backoff.wait(stop)) return;
      continue;
    }
    backoff.reset();
    std::unique_lock lock{mutex};
    never.wait_for(lock, stop, kLookEvery, [] { return false; });
  }
}

bool RegistrationCourier::step() {
  for (const std::string& path : list_reports(folder_, kMostAtOnce)) {
    if (!deliver(path)) return false;
  }
  return true;
}

bool RegistrationCourier::deliver(const std::string& path) {
  const auto file = read_foreign_file(path, kMaxReportBytes);
  const auto report = file.ok() ? decode_report(*file) : Result<RegistrationReport>{file.error()};
  if (!report.ok()) {
    log_.warning("not a registration report", {{"file", path}, {"reason", report.error().reason}});
    unlink(path.c_str());
    return true;
  }
  http::ClientRequest request;
  request.method = "POST";
  request.target = "/v1/edge/registrations";
  request.body = body_of(*report);
  const auto answer = client_.send(request);
  if (!answer.ok() || !is_final(answer->status)) return false;
  unlink(path.c_str());
  const Json outcome = Json::parse(answer->body, nullptr, false);
  const bool registered = answer->status == 200 && outcome.is_object() && outcome.value("status", "") == "registered";
  (registered ? registered_ : refused_).add();
  const std::string reason = outcome.is_object() && outcome.contains("reason") && outcome["reason"].is_string()
                                 ? outcome["reason"].get<std::string>()
                                 : std::string{};
  log_.info("registration judged", {{"registered", registered ? "true" : "false"}, {"reason", reason}});
  return true;
}

}  // namespace muster::edge
