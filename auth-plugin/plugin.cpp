// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the three functions that mosquitto looks for, and its callbacks. Nothing is decided here. Nothing may be
// thrown through the broker's C frames, and an error while deciding is a refusal.
#include <mosquitto.h>
#include <mosquitto_broker.h>
// After mosquitto_broker.h, whose types it uses.
#include <mosquitto_plugin.h>
#include <mqtt_protocol.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "auth-plugin/broker_events.h"
#include "auth-plugin/broker_properties.h"
#include "auth-plugin/mqtt_reason.h"
#include "auth-plugin/plugin_runtime.h"

namespace muster::auth_plugin {
namespace {

constexpr int kPluginVersion = 5;  // of mosquitto 2.0 and 2.1
// mosquitto 2.1: a session with an expiry interval that loses its connection ends by this event, without DISCONNECT.
// Its data begins as DISCONNECT's does. 2.0 knows no such event and refuses the callback.
constexpr int kClientOffline = 28;

// Never destroyed: OpenSSL objects of the broker refer to it until the process ends.
PluginRuntime* runtime = nullptr;

int log_level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return MOSQ_LOG_DEBUG;
    case LogLevel::kInfo: return MOSQ_LOG_NOTICE;
    case LogLevel::kWarning: return MOSQ_LOG_WARNING;
    case LogLevel::kError: return MOSQ_LOG_ERR;
  }
  return MOSQ_LOG_ERR;
}

void log_line(LogLevel level, const std::string& line) {
  mosquitto_log_printf(log_level_of(level), "%s", line.c_str());
}

void kick(const std::string& username, Will will) {
  mosquitto_kick_client_by_username(username.c_str(), will == Will::kSend);
}

// To this client alone, whoever else subscribed. Called between two rounds of the broker's loop.
bool publish_command(const OutgoingCommand& command) {
  mosquitto_property* properties = nullptr;
  const auto correlation_size = static_cast<std::uint16_t>(command.correlation.size());
  const auto payload_size = static_cast<int>(command.payload.size());
  bool ok = mosquitto_property_add_int32(&properties, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, command.expires_in_seconds) ==
                MOSQ_ERR_SUCCESS &&
            mosquitto_property_add_string(&properties, MQTT_PROP_RESPONSE_TOPIC, command.response_topic.c_str()) ==
                MOSQ_ERR_SUCCESS &&
            mosquitto_property_add_binary(&properties, MQTT_PROP_CORRELATION_DATA, command.correlation.data(),
                                          correlation_size) == MOSQ_ERR_SUCCESS;
  if (ok && !command.content_type.empty()) {
    ok = mosquitto_property_add_string(&properties, MQTT_PROP_CONTENT_TYPE, command.content_type.c_str()) ==
         MOSQ_ERR_SUCCESS;
  }
  // The broker frees the properties where it takes the message.
  ok = ok && mosquitto_broker_publish_copy(command.client_id.c_str(), command.topic.c_str(), payload_size,
                                           command.payload.data(), 1, false, properties) == MOSQ_ERR_SUCCESS;
  if (!ok) mosquitto_property_free_all(&properties);
  return ok;
}

template <typename Event, typename Body>
int guarded(void* data, int on_error, Body body) noexcept {
  try {
    return runtime ? body(*static_cast<Event*>(data)) : on_error;
  } catch (...) {
    return on_error;
  }
}

int on_basic_auth(int, void* data, void*) noexcept {
  return guarded<mosquitto_evt_basic_auth>(data, connect_code(false), [](mosquitto_evt_basic_auth& event) {
    const ConnectFacts facts(event.client);
    const ConnectAnswer answer = runtime->gatekeeper().connect(facts.view());
    const std::string& username = answer.username;
    if (username.empty()) return answer.answered ? answered_connect_code() : connect_code(false);
    if (facts.view().client.username == username) return connect_code(true);
    return connect_code(mosquitto_set_username(event.client, username.c_str()) == MOSQ_ERR_SUCCESS);
  });
}

MessageView message_view(const char* topic, const void* payload, std::uint32_t size) {
  MessageView message;
  message.topic = topic ? std::string_view(topic) : std::string_view();
  message.payload = {static_cast<const std::uint8_t*>(payload), payload ? size : 0};
  return message;
}

int on_acl_check(int, void* data, void*) noexcept {
  return guarded<mosquitto_evt_acl_check>(data, acl_code(false), [](mosquitto_evt_acl_check& event) {
    Gatekeeper& gatekeeper = runtime->gatekeeper();
    TopicGate& topics = gatekeeper.topics();
    const ClientView client = client_view(event.client);
    MessageView message = message_view(event.topic, event.payload, event.payloadlen);
    message.qos = event.qos;
    message.retain = event.retain;
    switch (event.access) {
      case MOSQ_ACL_WRITE: {
        const PublishLimit limit = gatekeeper.limit_publish(client, message);
        return limit == PublishLimit::kWithin ? acl_code(topics.may_write(client, message)) : limit_code(limit);
      }
      case MOSQ_ACL_READ:
        return acl_code(topics.may_receive(client, message.topic, message.payload.size()) &&
                        gatekeeper.may_be_queued(client, message));
      case MOSQ_ACL_SUBSCRIBE:
        return acl_code(gatekeeper.may_hold_subscription(client, message.topic) &&
                        gatekeeper.may_subscribe(client, message.topic, event.qos));
      case MOSQ_ACL_UNSUBSCRIBE: topics.unsubscribed(client, message.topic); return acl_code(true);
      default: return acl_code(false);
    }
  });
}

int on_message(int, void* data, void*) noexcept {
  return guarded<mosquitto_evt_message>(data, message_code(PublishAnswer::kCut), [](mosquitto_evt_message& event) {
    const MessageHeaders headers(event.properties);
    MessageView message = message_view(event.topic, event.payload, event.payloadlen);
    message.qos = event.qos;
    message.retain = event.retain;
    message.headers = headers.views();
    return message_code(runtime->gatekeeper().publish(client_view(event.client), message));
  });
}

int on_disconnect(int, void* data, void*) noexcept {
  return guarded<mosquitto_evt_disconnect>(data, MOSQ_ERR_SUCCESS, [](mosquitto_evt_disconnect& event) {
    runtime->gatekeeper().disconnected(event.client);
    return int{MOSQ_ERR_SUCCESS};
  });
}

// mosquitto 2.1 sends what we publish in TICK at the beginning of its next round, which may be seconds away. The field
// is in the same place in 2.0, which does not look at it.
template <typename Tick>
void come_round_soon(Tick& tick) {
  if constexpr (requires { tick.next_ms; }) {
    tick.next_ms = 1;
  } else {
    tick.next_ns = 1;
  }
}

int on_tick(int, void* data, void*) noexcept {
  return guarded<mosquitto_evt_tick>(data, MOSQ_ERR_SUCCESS, [](mosquitto_evt_tick& event) {
    runtime->tick();
    if (runtime->gatekeeper().wants_another_round()) come_round_soon(event);
    return int{MOSQ_ERR_SUCCESS};
  });
}

// Any other answer ends mosquitto 2.1.
int on_reload(int, void* data, void*) noexcept {
  return guarded<mosquitto_evt_reload>(data, MOSQ_ERR_SUCCESS, [](mosquitto_evt_reload&) {
    runtime->gatekeeper().reload_begins();
    return int{MOSQ_ERR_SUCCESS};
  });
}

Result<void> register_callbacks(mosquitto_plugin_id_t* identifier) {
  const std::pair<int, MOSQ_FUNC_generic_callback> callbacks[] = {
      {MOSQ_EVT_BASIC_AUTH, on_basic_auth}, {MOSQ_EVT_ACL_CHECK, on_acl_check}, {MOSQ_EVT_MESSAGE, on_message},
      {MOSQ_EVT_DISCONNECT, on_disconnect}, {MOSQ_EVT_TICK, on_tick},           {MOSQ_EVT_RELOAD, on_reload}};
  for (const auto& [event, callback] : callbacks) {
    if (mosquitto_callback_register(identifier, event, callback, nullptr, nullptr) != MOSQ_ERR_SUCCESS) {
      return internal_error("mosquitto refused a callback");
    }
  }
  (void)mosquitto_callback_register(identifier, kClientOffline, on_disconnect, nullptr, nullptr);  // absent in 2.0
  return {};
}

Result<void> start(mosquitto_plugin_id_t* identifier, std::span<const mosquitto_opt> given) {
  std::vector<std::pair<std::string_view, std::string_view>> options;
  for (const mosquitto_opt& option : given) options.emplace_back(option.key, option.value);
  MUSTER_TRY_VOID(find_broker_properties());
  MUSTER_TRY(const PluginOptions parsed, PluginOptions::parse(options));
  MUSTER_TRY(auto started, PluginRuntime::start(parsed, {kick, publish_command}, log_line));
  runtime = started.release();
  return register_callbacks(identifier);
}

}  // namespace
}  // namespace muster::auth_plugin

#define MUSTER_EXPORT extern "C" __attribute__((visibility("default")))

MUSTER_EXPORT int mosquitto_plugin_version(int count, const int* supported) {
  const bool known = std::find(supported, supported + count, muster::auth_plugin::kPluginVersion) != supported + count;
  if (!known) mosquitto_log_printf(MOSQ_LOG_ERR, "muster refuses to start: it needs a broker with plugin interface 5");
  return known ? muster::auth_plugin::kPluginVersion : -1;
}

MUSTER_EXPORT int mosquitto_plugin_init(mosquitto_plugin_id_t* identifier, void**, mosquitto_opt* options, int count) {
  try {
    const auto started =
        muster::auth_plugin::start(identifier, {options, static_cast<std::size_t>(std::max(count, 0))});
    if (started.ok()) return MOSQ_ERR_SUCCESS;
    mosquitto_log_printf(MOSQ_LOG_ERR, "muster refuses to start: %s (%s)", started.error().detail.c_str(),
                         std::string(started.error().reason).c_str());
  } catch (...) {
    mosquitto_log_printf(MOSQ_LOG_ERR, "muster refuses to start: out of memory or a broken invariant");
  }
  return MOSQ_ERR_UNKNOWN;
}

MUSTER_EXPORT int mosquitto_plugin_cleanup(void*, mosquitto_opt*, int) {
  if (!muster::auth_plugin::runtime) return MOSQ_ERR_SUCCESS;
  try {
    muster::auth_plugin::runtime->stop();
  } catch (...) {
    return MOSQ_ERR_UNKNOWN;
  }
  return MOSQ_ERR_SUCCESS;
}
