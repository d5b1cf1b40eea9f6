// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/session_desk.h"

#include <algorithm>

#include "auth-plugin/acl_decision.h"
#include "auth-plugin/reasons.h"
#include "core/topic_filter.h"

namespace muster::auth_plugin {
namespace {

constexpr std::string_view kResponses = "/responses/";
constexpr std::size_t kUuidLength = 36;
constexpr std::size_t kMaxWaitingCommands = 200;  // of one session; the server has at most 100 open for a device

}  // namespace

SessionDesk::SessionDesk(Parts parts, SessionTable& sessions, TopicGate& topics, Journal& journal, const Clock& clock,
                         Counters counters)
    : parts_(std::move(parts)),
      sessions_(sessions),
      topics_(topics),
      journal_(journal),
      clock_(clock),
      counters_(counters) {}

void SessionDesk::began(const Session& session) {
  if (!parts_.news) return;
  parts_.news->began(session.tenant_id, session.device_id, session.connection.id, session.connection.began);
}

void SessionDesk::ended(const ConnectionFacts& connection) {
  if (parts_.news) parts_.news->ended(connection.id);
  handed_.erase(connection.id);
  const auto waiting = waiting_.find(connection.id);
  if (waiting == waiting_.end()) return;
  for (const auto& order : waiting->second) waiting_octets_ -= order.payload.size();
  waiting_.erase(waiting);
}

void SessionDesk::published(const Session& session, std::string_view topic) {
  const std::size_t prefix = session.principal.size() + kResponses.size();
  if (topic.size() != prefix + kUuidLength || !parts_.news) return;
  if (!topic.starts_with(session.principal) ||
      topic.substr(session.principal.size(), kResponses.size()) != kResponses) {
    return;
  }
  const auto command = parse_raw_id(topic.substr(prefix));
  if (!command.ok()) return;
  parts_.news->report(edge::SessionNewsKind::kAnswered, session.tenant_id, session.device_id, *command);
}

void SessionDesk::tick() {
  if (parts_.orders && parts_.orders->pending()) {
    auto taken = parts_.orders->take();
    for (auto& order : taken.orders) follow(std::move(order));
    if (taken.missed) tell_of_everything();
  }
  if (look_again_) deliver_waiting();
}

// The server answers with what this broker missed.
void SessionDesk::tell_of_everything() {
  for (const auto& session : sessions_.online_sessions()) began(*session);
}

void SessionDesk::follow(edge::SessionOrder order) {
  const auto session = sessions_.find_device(order.device_id);
  if (!session || !session->online || session->connection.id != order.connection_id) return;
  if (order.kind == edge::SessionOrderKind::kCut) return parts_.cut(session);
  if (deliver(*session, order) == Delivery::kDone) return;
  auto& waiting = waiting_[order.connection_id];
  const bool known = std::ranges::any_of(waiting, [&](const auto& w) { return w.command_id == order.command_id; });
  if (known) return;
  if (waiting.size() >= kMaxWaitingCommands || waiting_octets_ + order.payload.size() > kMaxWaitingOctets) {
    return counters_.dropped.add();
  }
  waiting_octets_ += order.payload.size();
  waiting.push_back(std::move(order));
}

void SessionDesk::deliver_waiting() {
  look_again_ = false;
  for (auto entry = waiting_.begin(); entry != waiting_.end();) {
    auto& waiting = entry->second;
    const auto session = waiting.empty() ? nullptr : sessions_.find_device(waiting.front().device_id);
    const bool same = session && session->online && session->connection.id == entry->first;
    std::erase_if(waiting, [&](const edge::SessionOrder& order) {
      if (same && deliver(*session, order) == Delivery::kLater) return false;
      waiting_octets_ -= order.payload.size();
      return true;
    });
    entry = waiting.empty() ? waiting_.erase(entry) : std::next(entry);
  }
}

bool SessionDesk::is_subscribed(const Session& session, std::string_view topic) {
  return std::ranges::any_of(session.subscriptions, [&](const Subscription& held) {
    const auto plain = strip_share(held.filter);
    return plain && filter_matches(*plain, topic);
  });
}

SessionDesk::Delivery SessionDesk::deliver(Session& session, const edge::SessionOrder& order) {
  auto& handed = handed_[order.connection_id];
  if (std::ranges::find(handed, order.command_id) != handed.end()) return Delivery::kDone;
  const std::string id = to_uuid_text(order.command_id);
  OutgoingCommand command;
  command.topic = session.principal + "/commands/" + order.name + "/" + id;
  const auto left = order.expires - boottime_now().count();
  topics_.refresh_standing(session);
  const std::string_view refusal =
      decide_acl(session,
                 {.access = AclAccess::kReceive,
                  .topic = command.topic,
                  .carried = {0, static_cast<std::uint32_t>(std::min<std::size_t>(order.payload.size(), kAnyPayload))}},
                 clock_.now());
  if (left <= 0 || !is_valid_topic_name(command.topic) || !refusal.empty()) {
    if (!refusal.empty()) journal_.denied(session, "command", refusal, command.topic);
    counters_.dropped.add();
    return Delivery::kDone;
  }
  if (!is_subscribed(session, command.topic)) return Delivery::kLater;
  command.client_id = session.principal;
  command.response_topic = session.principal + std::string(kResponses) + id;
  command.content_type = order.content_type;
  command.correlation = id;
  command.expires_in_seconds =
      static_cast<std::uint32_t>(std::min<std::int64_t>(left / 1'000'000'000 + 1, 0xffff'fffe));
  command.payload = order.payload;
  if (!parts_.publish || !parts_.publish(command)) {
    counters_.dropped.add();
    return Delivery::kDone;
  }
  counters_.sent.add();
  has_published_ = true;
  handed.push_back(order.command_id);
  if (handed.size() > kMaxWaitingCommands) handed.pop_front();
  if (parts_.news) {
    parts_.news->report(edge::SessionNewsKind::kSent, session.tenant_id, session.device_id, order.command_id);
  }
  return Delivery::kDone;
}

}  // namespace muster::auth_plugin
