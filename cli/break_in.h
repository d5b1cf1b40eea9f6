// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what an attacker would try, with the tools an attacker has: mosquitto_pub and mosquitto_sub, with any
// certificate he could get hold of.
#pragma once

#include <string>
#include <vector>

#include "cli/simulated_device.h"
#include "core/result.h"

namespace muster::cli {

// PemFiles is an identity as files, for programs that read it from there. Empty paths: no certificate.
struct PemFiles {
  std::string certificate;
  std::string key;
};

struct Attempt {
  std::string client_id;
  PemFiles identity;
  std::string topic;  // to publish to, or filter to subscribe to
};

struct Outcome {
  bool worked = false;   // the broker acknowledged it with a success code
  std::string evidence;  // the client's last word
};

// Attacker is confined to one thread.
class Attacker {
 public:
  // `folder` holds the key files of the attempts; it is made with mode 0700. Reasons: program.missing, folder.unusable.
  static Result<Attacker> create(const BrokerAddress& broker, const std::string& folder);

  // Writes an identity as files. Reason: file.write_failed.
  Result<PemFiles> write_identity(const std::string& name, const std::string& certificate_pem,
                                  const std::string& key_pem) const;
  // Connects as MQTT 5 client and publishes at QoS 1, or subscribes. Reason: child.start_failed.
  Result<Outcome> publish(const Attempt& attempt) const;
  Result<Outcome> subscribe(const Attempt& attempt) const;

 private:
  Attacker(BrokerAddress broker, std::string folder, std::string publisher, std::string subscriber)
      : broker_(std::move(broker)),
        folder_(std::move(folder)),
        publisher_(std::move(publisher)),
        subscriber_(std::move(subscriber)) {}
  std::vector<std::string> connection_arguments(const Attempt& attempt) const;
  BrokerAddress broker_;
  std::string folder_;
  std::string publisher_;
  std::string subscriber_;
};

}  // namespace muster::cli
