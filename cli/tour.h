// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the guided tour of `muster up --tour`: two tenants, ten devices with real telemetry, the normalised stream,
// the attempts to break in, and devices that are cut off while they are connected. It is also a test: every step has an
// expected verdict.
#pragma once

#include <string>

#include "cli/api_session.h"
#include "cli/break_in.h"
#include "cli/deployment.h"
#include "cli/deployment_folder.h"
#include "cli/supervisor.h"
#include "core/result.h"

namespace muster::cli {

// Tour is confined to one thread.
class Tour {
 public:
  Tour(const DeploymentFolder& folder, Deployment& deployment, const Supervisor& supervisor);
  // Runs all steps. ok: every verdict was the expected one. Reasons: tour.step_failed, or that of a step that could not
  // be tried at all.
  Result<void> run(long devices);

 private:
  Result<void> make_tenant(ApiSession& admin, const std::string& tenant);
  Result<std::string> make_token(ApiSession& admin, const std::string& tenant, const std::string& role);
  Result<void> show_stream(const std::string& token_file, long devices);
  Result<void> show_break_ins(ApiSession& admin);
  Result<void> try_without_right_certificate(const Attacker& attacker, const SimulatedDevice& victim);
  Result<void> try_foreign_topics(const Attacker& attacker, const SimulatedDevice& device,
                                  const SimulatedDevice& neighbour);
  Result<void> show_revocation(ApiSession& admin);
  Result<void> show_suspension(ApiSession& admin);
  // Waits until the broker cuts the connection and says how long that took after `since`.
  void expect_cut(const std::string& what, MqttClient& client, std::chrono::steady_clock::time_point since);
  void expect_connect(const std::string& what, const SimulatedDevice& device, bool should_work);
  // The broker learns of a new device within moments: connects, and tries again until it may.
  Result<MqttClient> connect_when_known(const SimulatedDevice& device) const;
  void verdict(bool as_expected, const std::string& what, const std::string& actual);

  const DeploymentFolder& folder_;
  Deployment& deployment_;
  const Supervisor& supervisor_;
  BrokerAddress broker_;
  std::string run_id_;  // names of this run's guests: names are not used again while old certificates are valid
  int good_ = 0;
  int bad_ = 0;
};

}  // namespace muster::cli
