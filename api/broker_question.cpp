// SPDX-License-Identifier: Apache-2.0
#include "api/broker_question.h"

#include <charconv>
#include <optional>
#include <utility>

#include "api/json_reader.h"
#include "core/encoding.h"
#include "x509/certificate.h"

namespace muster::api {
namespace {

constexpr std::size_t kMaxCertificates = 10;
constexpr std::string_view kPemStart = "-----BEGIN ";

std::string value_of(JsonReader& body, const std::string& name) {
  std::string value = body.nullable_string(name).value_or(std::nullopt).value_or("");
  return value == "undefined" ? std::string() : value;
}

std::uint32_t number_of(JsonReader& body, const std::string& name, std::uint32_t most, std::uint32_t unsaid) {
  const std::string text = body.optional_scalar(name);
  if (text.empty() || text == "undefined") return unsaid;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > most) {
    body.fail(name, "0 to " + std::to_string(most));
  }
  return value;
}

bool truth_of(JsonReader& body, const std::string& name, bool unsaid) {
  const std::string text = body.optional_scalar(name);
  if (text.empty() || text == "undefined") return unsaid;
  if (text != "true" && text != "false") body.fail(name, "true or false");
  return text == "true";
}

Result<std::vector<Bytes>> parse_blocks(std::string_view pem) {
  MUSTER_TRY(const auto certificates, x509::Certificate::parse_pem_list(pem, kMaxCertificates));
  std::vector<Bytes> chain;
  for (const auto& certificate : certificates) {
    chain.emplace_back(certificate.der().begin(), certificate.der().end());
  }
  return chain;
}

Result<std::vector<Bytes>> parse_certificates(std::string_view text) {
  if (text.starts_with(kPemStart)) return parse_blocks(text);
  MUSTER_TRY(Bytes octets, from_base64(text));
  if (as_text(octets).starts_with(kPemStart)) return parse_blocks(as_text(octets));
  return std::vector<Bytes>{std::move(octets)};
}

Result<BrokerQuestion> read(JsonReader& body) {
  BrokerQuestion question;
  question.client_id = value_of(body, "clientid");
  question.username = value_of(body, "username");
  std::string certificate = value_of(body, "cert_pem");
  if (certificate.empty()) certificate = value_of(body, "certificate");
  if (question.client_id.empty()) body.fail("clientid", "the MQTT Client Identifier");
  MUSTER_TRY_VOID(body.finish_loosely());
  if (!certificate.empty()) {
    MUSTER_TRY(question.chain, parse_certificates(certificate));
  }
  return question;
}

}  // namespace

Result<BrokerQuestion> read_authn_question(std::string_view text) {
  MUSTER_TRY(JsonReader body, JsonReader::parse(text));
  return read(body);
}

Result<BrokerQuestion> read_authz_question(std::string_view text) {
  MUSTER_TRY(JsonReader body, JsonReader::parse(text));
  const std::string action = body.required_string("action");
  std::string topic = body.required_string("topic");
  if (action != "publish" && action != "subscribe") body.fail("action", "publish or subscribe");
  TopicQuestion access;
  access.access = action == "publish" ? TopicAccess::kPublish : TopicAccess::kSubscribe;
  access.carried.qos = static_cast<std::uint8_t>(number_of(body, "qos", kAnyQos, kAnyQos));
  const bool retain = truth_of(body, "retain", true);
  access.retain = retain && access.access == TopicAccess::kPublish;
  access.carried.payload = number_of(body, "payload_size", kAnyPayload, 0);
  MUSTER_TRY(BrokerQuestion question, read(body));
  question.access = access;
  question.topic = std::move(topic);
  return question;
}

}  // namespace muster::api
