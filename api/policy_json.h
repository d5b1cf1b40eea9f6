// SPDX-License-Identifier: Apache-2.0
//
// Purpose: policy documents as JSON: {"rules":[{"action","topics":[…],"max_qos"?,"max_payload"?},…],"limits"?:{…}}.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_reader.h"
#include "api/json_writer.h"
#include "core/limits.h"
#include "core/policy_check.h"
#include "core/policy_document.h"
#include "http/message.h"

namespace muster::api {

struct PolicyRequest {
  std::vector<PolicyRule> rules;    // one for each topic
  std::vector<std::size_t> places;  // of each: the index of its rule in the JSON
  Limits limits;
};

// read_policy reads "rules" and "limits" of a body; the caller finishes it.
// Reasons: policy.filter_invalid (an empty topic), and what body.finish() then returns.
Result<PolicyRequest> read_policy(JsonReader& body);

// What check_policy found.
struct PolicyReport {
  std::vector<PolicyFinding> findings;
  bool refuses() const;
};
PolicyReport check(const PolicyRequest& request);

// The 400 that says what is wrong with which rule: problem+json with "findings". There must be a refusal among them.
http::Response refusal(const PolicyReport& report, const PolicyRequest& request, std::string_view request_id);
// "warnings":[…], where there are any.
void write_warnings(JsonWriter& out, const PolicyReport& report, const PolicyRequest& request);

// "rules":[…] and, where there are any, "limits":{…}. Topics of consecutive rules of one kind stand together.
void write_policy_body(JsonWriter& out, std::span<const PolicyRule> rules, const Limits& limits);
// The index that rule `index` has in what write_policy_body writes.
std::size_t place_of(std::span<const PolicyRule> rules, std::size_t index);

// "max_qos" and "max_payload", each where it is a limit.
void write_rule_limits(JsonWriter& out, std::uint8_t max_qos, std::uint32_t max_payload);
// The same, read.
void read_rule_limits(JsonReader& body, std::uint8_t& max_qos, std::uint32_t& max_payload);

}  // namespace muster::api
