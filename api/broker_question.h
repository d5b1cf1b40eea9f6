// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what a broker of another make sends to ask for a decision, in the form of EMQX's HTTP authentication and
// authorisation. Its operator writes the body's template, so fields that nobody reads here are let pass.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"
#include "core/topic_decision.h"

namespace muster::api {

struct BrokerQuestion {
  std::string client_id;
  std::string username;      // empty: none
  std::vector<Bytes> chain;  // DER, the client's own certificate first; empty: none
  // authz only. What the broker does not say is taken for the most that it may be, where a policy has limits.
  TopicQuestion access;  // without the topic
  std::string topic;
};

// Fields: "clientid", "username"?, "cert_pem"? (or "certificate"): PEM blocks, or base64 of PEM or of DER, as brokers
// render it. "" and "undefined" are what brokers send for a value that there is none of.
// Reasons: request.json_malformed, request.field_invalid, certificate.pem_invalid and its like.
Result<BrokerQuestion> read_authn_question(std::string_view body);
// Besides: "action" (publish or subscribe), "topic", "qos"? (2 where it is not said), "retain"? (publish only; true
// where it is not said), "payload_size"? (octets; 0 where it is not said: few brokers can say it). Brokers render
// numbers and booleans as text too.
Result<BrokerQuestion> read_authz_question(std::string_view body);

}  // namespace muster::api
