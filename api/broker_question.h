// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what a broker of another make sends to ask for a decision, in the form of EMQX's HTTP authentication and
// authorisation. Its operator writes the body's template, so fields that nobody reads here are let pass.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth-plugin/other_broker.h"
#include "core/bytes.h"
#include "core/result.h"

namespace muster::api {

struct BrokerQuestion {
  std::string client_id;
  std::string username;                            // empty: none
  std::vector<Bytes> chain;                        // DER, the client's own certificate first; empty: none
  std::optional<auth_plugin::OtherAccess> access;  // authz only
  std::string topic;                               // authz only
};

// Fields: "clientid", "username"?, "cert_pem"? (or "certificate"): PEM blocks, or base64 of PEM or of DER, as brokers
// render it. "" and "undefined" are what brokers send for a value that there is none of.
// Reasons: request.json_malformed, request.field_invalid, certificate.pem_invalid and its like.
Result<BrokerQuestion> read_authn_question(std::string_view body);
// Besides: "action" (publish or subscribe), "topic".
Result<BrokerQuestion> read_authz_question(std::string_view body);

}  // namespace muster::api
