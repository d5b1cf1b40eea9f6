// SPDX-License-Identifier: Apache-2.0
#include "cli/tour.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "cli/device_key.h"
#include "cli/output.h"
#include "cli/reasons.h"
#include "core/encoding.h"
#include "core/file.h"
#include "core/random.h"

namespace muster::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kStreamLimit{45};
constexpr std::chrono::milliseconds kCutLimit{1'000};  // the promise: cut off within a second
constexpr long kRecordsShown = 5;                      // each of another device
constexpr std::size_t kShownOctets = 140;              // of a record

void heading(const std::string& text) {
  say("");
  say(bold(text));
}

// One normalised record in one line: who, when, what.
std::string render_record(const nlohmann::json& record) {
  const nlohmann::json::json_pointer where("/data/measurements");
  std::string out = "  " + record.value("key", std::string("?")) + " ";
  if (!record.contains(where)) return out + record.dump().substr(0, kShownOctets);
  for (const nlohmann::json& measurement : record.at(where)) {
    out +=
        " " + measurement.value("name", std::string("?")) + "=" + measurement.value("value", nlohmann::json()).dump();
    if (out.size() > kShownOctets) return out + " …";
  }
  return out;
}

}  // namespace

Tour::Tour(const DeploymentFolder& folder, Deployment& deployment, const Supervisor& supervisor)
    : folder_(folder), deployment_(deployment), supervisor_(supervisor), run_id_(to_hex(random_bytes(3))) {
  broker_.port = folder.ports().mqtt;
  broker_.ca_file = folder.paths().infrastructure_root();
}

Result<void> Tour::run(long devices) {
  heading("Tenants and devices");
  MUSTER_TRY(ApiSession admin, ApiSession::open(deployment_.server_options()));
  MUSTER_TRY_VOID(make_tenant(admin, "acme"));
  MUSTER_TRY_VOID(make_tenant(admin, "globex"));
  MUSTER_TRY(const std::string factory, make_token(admin, "acme", "factory"));
  MUSTER_TRY(const std::string application, make_token(admin, "acme", "application"));
  MUSTER_TRY_VOID(deployment_.start_devices("acme", factory, devices));
  say("  " + std::to_string(devices) +
      " simulated devices of acme make their own keys, enrol with a factory's token, "
      "and publish this host's readings over mTLS");

  MUSTER_TRY_VOID(show_stream(application, devices));
  MUSTER_TRY_VOID(show_break_ins(admin));
  MUSTER_TRY_VOID(show_revocation(admin));
  MUSTER_TRY_VOID(show_suspension(admin));

  say("");
  if (bad_ == 0) {
    say(green("tour: all " + std::to_string(good_) + " verdicts are as expected"));
    return {};
  }
  return Error{ErrorCode::kInternal, kTourStepFailed,
               std::to_string(bad_) + " of " + std::to_string(good_ + bad_) + " verdicts are not as expected"};
}

Result<void> Tour::make_tenant(ApiSession& admin, const std::string& tenant) {
  if (!admin.get(tenant_path(tenant)).ok()) {
    const auto created = admin.call("POST", "/v1/tenants", {{"name", tenant}});
    if (!created.ok()) return created.error();
  }
  say("  tenant " + tenant + ", with its own issuing CA");
  return {};
}

Result<std::string> Tour::make_token(ApiSession& admin, const std::string& tenant, const std::string& role) {
  const std::string file = folder_.paths().at("secrets/" + tenant + "." + role + ".token");
  if (access(file.c_str(), F_OK) == 0) return file;
  MUSTER_TRY(const nlohmann::json made, admin.call("POST", tenant_path(tenant) + "/tokens",
                                                   {{"role", role}, {"description", "made by the tour"}}));
  const std::string text = made.value("token", "") + "\n";
  MUSTER_TRY_VOID(write_file_durably(file, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, 0600));
  return file;
}

Result<void> Tour::show_stream(const std::string& token_file, long devices) {
  heading("The normalised stream (acme's application reads it over REST)");
  ServerOptions options = deployment_.server_options();
  options.token_file = token_file;
  options.ca_file = folder_.paths().infrastructure_root();
  MUSTER_TRY(ApiSession application, ApiSession::open(options));
  const std::string target =
      tenant_path("acme") + "/streams/normalized/records?group=tour-" + run_id_ + "&max=200&wait_ms=1000";
  say(dim("  waiting for the first records"));
  const auto deadline = Clock::now() + kStreamLimit;
  const auto wanted = static_cast<std::size_t>(std::min(kRecordsShown, devices));
  std::set<std::string> seen;  // whose record was shown
  while (seen.size() < wanted && Clock::now() < deadline && !supervisor_.stopping()) {
    MUSTER_TRY(const nlohmann::json answer, application.get(target));
    if (!answer.contains("records")) continue;
    for (const nlohmann::json& record : answer["records"]) {
      if (seen.size() < wanted && seen.insert(record.value("key", "")).second) say(render_record(record));
    }
  }
  verdict(seen.size() == wanted, "telemetry arrives normalised",
          "records of " + std::to_string(seen.size()) + " devices read");
  return {};
}

Result<void> Tour::show_break_ins(ApiSession& admin) {
  heading("Attempts to break in (mosquitto_pub and mosquitto_sub)");
  MUSTER_TRY(const Attacker attacker, Attacker::create(broker_, folder_.paths().at("run/tour")));
  MUSTER_TRY(const SimulatedDevice device, provision(admin, "acme", "guest-" + run_id_));
  MUSTER_TRY(const SimulatedDevice neighbour, provision(admin, "globex", "neighbour-" + run_id_));
  // The control: without it a broker that refuses everybody would pass.
  MUSTER_TRY(MqttClient allowed, connect_when_known(device));
  verdict(allowed.publish(device.principal() + "/telemetry/door", "{\"open\":1}").ok(), "own certificate, own topic",
          "accepted");
  verdict(allowed.subscribe(device.principal() + "/commands/#").ok(), "own certificate, own commands", "accepted");
  allowed.disconnect();
  MUSTER_TRY_VOID(try_without_right_certificate(attacker, device));
  return try_foreign_topics(attacker, device, neighbour);
}

Result<void> Tour::try_without_right_certificate(const Attacker& attacker, const SimulatedDevice& victim) {
  const std::string topic = victim.principal() + "/telemetry/door";
  const auto expect_refused = [this](const std::string& what, const Result<Outcome>& outcome) -> Result<void> {
    if (!outcome.ok()) return outcome.error();
    verdict(!outcome->worked, what, outcome->worked ? "ACCEPTED" : "refused: " + outcome->evidence);
    return {};
  };
  MUSTER_TRY_VOID(expect_refused("no certificate", attacker.publish({victim.principal(), {}, topic})));

  // The issuing CA is the second certificate of what the device holds.
  const std::size_t second = victim.certificate_pem.find("-----BEGIN", 10);
  MUSTER_TRY(const Lookalike lookalike, make_lookalike(victim.certificate_pem.substr(second), victim.certificate_pem));
  MUSTER_TRY(
      const PemFiles forged,
      attacker.write_identity("lookalike", lookalike.certificate_pem + lookalike.authority_pem, lookalike.key_pem));
  MUSTER_TRY_VOID(expect_refused("certificate of a look-alike CA with the same names",
                                 attacker.publish({victim.principal(), forged, topic})));

  MUSTER_TRY(const PemFiles own, attacker.write_identity("guest", victim.certificate_pem, victim.key_pem));
  return expect_refused("own certificate, another device's client id",
                        attacker.publish({"acme/sim-01", own, "acme/sim-01/telemetry/host"}));
}

Result<void> Tour::try_foreign_topics(const Attacker& attacker, const SimulatedDevice& device,
                                      const SimulatedDevice& neighbour) {
  MUSTER_TRY(const PemFiles own, attacker.write_identity("guest", device.certificate_pem, device.key_pem));
  // The one who would be hurt listens: an acknowledgement says less than silence does.
  MUSTER_TRY(MqttClient listening, connect_when_known(neighbour));
  MUSTER_TRY_VOID(listening.subscribe(neighbour.principal() + "/commands/#"));
  for (const std::string& topic : {neighbour.principal() + "/commands/open", std::string("acme/sim-01/telemetry/host"),
                                   std::string("acme/sim-01/commands/open"), std::string("$SYS/broker/uptime")}) {
    MUSTER_TRY(const Outcome outcome, attacker.publish({device.principal(), own, topic}));
    verdict(!outcome.worked, "publish to " + topic, outcome.worked ? "ACCEPTED" : "refused: " + outcome.evidence);
  }
  MUSTER_TRY(const auto received, listening.receive(std::chrono::milliseconds(300)));
  verdict(!received, "the neighbour's device hears nothing", received ? "it received " + received->topic : "silence");
  for (const std::string& filter :
       {std::string("globex/#"), std::string("+/+/telemetry/#"), std::string("#"), std::string("$share/x/#"),
        std::string("$share/x/globex/#"), std::string("$SYS/#"), std::string("acme/sim-01/commands/#")}) {
    MUSTER_TRY(const Outcome outcome, attacker.subscribe({device.principal(), own, filter}));
    verdict(!outcome.worked, "subscribe to " + filter, outcome.worked ? "ACCEPTED" : "refused: " + outcome.evidence);
  }
  return {};
}

Result<void> Tour::show_revocation(ApiSession& admin) {
  heading("A revoked device is cut off while it is connected");
  MUSTER_TRY(const SimulatedDevice device, provision(admin, "acme", "lost-" + run_id_));
  MUSTER_TRY(MqttClient client, connect_when_known(device));
  MUSTER_TRY_VOID(client.publish(device.principal() + "/telemetry/door", "{\"open\":0}"));
  MUSTER_TRY(const nlohmann::json revoked,
             admin.call("POST", tenant_path("acme") + "/certificates/" + device.certificate_id + "/revocation",
                        {{"reason", "keyCompromise"}}));
  const auto since = Clock::now();
  expect_cut("revoked certificate, live connection", client, since);
  expect_connect("revoked certificate, new connection", device, false);
  (void)revoked;
  return {};
}

Result<void> Tour::show_suspension(ApiSession& admin) {
  heading("A suspended device is cut off, and comes back when it is resumed");
  MUSTER_TRY(const SimulatedDevice device, provision(admin, "acme", "pause-" + run_id_));
  MUSTER_TRY(MqttClient client, connect_when_known(device));
  const std::string path = device_path("acme", device.name);
  MUSTER_TRY(nlohmann::json answer, admin.call("PATCH", path, {{"status", "suspended"}}));
  const auto since = Clock::now();
  expect_cut("suspended device, live connection", client, since);
  expect_connect("suspended device, new connection", device, false);
  MUSTER_TRY(answer, admin.call("PATCH", path, {{"status", "active"}}));
  const auto again = connect_when_known(device);
  verdict(again.ok(), "resumed device, new connection", again.ok() ? "accepted" : "refused: " + again.error().detail);
  return {};
}

void Tour::expect_cut(const std::string& what, MqttClient& client, Clock::time_point since) {
  const auto deadline = since + std::chrono::seconds(10);
  while (Clock::now() < deadline) {
    if (client.receive(std::chrono::milliseconds(100)).ok()) continue;
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - since);
    verdict(took <= kCutLimit, what, "cut off " + std::to_string(took.count()) + " ms after the answer");
    return;
  }
  verdict(false, what, "still connected after 10 s");
}

void Tour::expect_connect(const std::string& what, const SimulatedDevice& device, bool should_work) {
  const auto outcome = MqttClient::connect(mqtt_config(broker_, device));
  verdict(outcome.ok() == should_work, what, outcome.ok() ? "accepted" : "refused: " + outcome.error().detail);
}

Result<MqttClient> Tour::connect_when_known(const SimulatedDevice& device) const {
  const auto deadline = Clock::now() + std::chrono::seconds(10);
  for (;;) {
    auto client = MqttClient::connect(mqtt_config(broker_, device));
    if (client.ok() || Clock::now() > deadline || supervisor_.stopping()) return client;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void Tour::verdict(bool as_expected, const std::string& what, const std::string& actual) {
  ++(as_expected ? good_ : bad_);
  std::string name = what;
  name.resize(std::max<std::size_t>(name.size(), 52), ' ');
  say((as_expected ? green("  ok      ") : red("  WRONG   ")) + name + " " + dim(actual));
}

}  // namespace muster::cli
